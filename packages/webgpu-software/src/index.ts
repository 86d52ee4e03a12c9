export { softwareGpu } from "./software-gpu.ts";
