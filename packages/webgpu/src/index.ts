export { webgpu } from "./backend.ts";
export { lowerToPlan } from "./lower.ts";
export { printPlan } from "./plan.ts";
