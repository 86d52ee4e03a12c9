export { type WebgpuBackend, type WebgpuExecutable, type WebgpuOptions, webgpu } from "./backend.ts";
export { browserCache } from "./browser-cache.ts";
export type { DeviceBuffers } from "./buffers.ts";
export type { WebgpuCache } from "./cache.ts";
export { lowerToPlan } from "./lower.ts";
export { printPlan } from "./plan.ts";
export type { Timed, TunedLayer, TuneOptions } from "./tune.ts";
