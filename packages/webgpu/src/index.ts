export { type WebgpuBackend, type WebgpuExecutable, type WebgpuOptions, type WgslProgram, webgpu } from "./backend.ts";
export { browserCache } from "./device/browser-cache.ts";
export type { DeviceBuffers } from "./device/buffers.ts";
export type { WebgpuCache } from "./device/cache.ts";
export type { Timed, TunedLayer, TuneOptions } from "./device/tune.ts";
export { lowerToPlan } from "./lower/lower.ts";
export { printPlan } from "./lower/plan.ts";
