import { softwareGpu } from "@residual/webgpu-software";
import { describe } from "vitest";
import { findsWrongKernels } from "../testing/wrong-kernels.ts";

const gpu = await softwareGpu();

// lavapipe.test.ts has the strategies of other adapters
describe("the spot check on SwiftShader", () => findsWrongKernels(gpu));
