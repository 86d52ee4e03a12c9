import { softwareGpu } from "@residual/webgpu-software";
import { webgpu } from "../src/index.ts";
import { errorsOfSteps } from "../src/testing/golden-steps.ts";

const kind = process.argv[2];
const options = JSON.parse(process.argv[4] ?? "{}");
const backend = webgpu({ ...(kind === "swift" && { gpu: await softwareGpu() }), ...options });
console.log(await backend.describe());
const t = performance.now();
console.log(process.argv[3], await errorsOfSteps(backend as never, process.argv[3]!), performance.now() - t);
process.exit(0);
