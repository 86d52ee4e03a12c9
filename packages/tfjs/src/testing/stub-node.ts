/**
 * Stands for tfjs-node where libtensorflow cannot be had: its registration, under its name, and what its kernels refuse
 * (read in tfjs-node 4.22's nodejs_kernel_backend.js), on the kernels of the cpu engine. `?gpu` has a GPU.
 */
import util from "node:util";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { getKernelsForBackend, registerBackend, registerKernel, version_core } from "@tensorflow/tfjs-core";

export * from "@tensorflow/tfjs-core";
export const version: { readonly [name: string]: string } = { "tfjs-core": version_core, "tfjs-node": version_core };

const windowed = new Set(["Conv2D", "FusedConv2D", "DepthwiseConv2dNative", "MaxPool", "AvgPool"]);
const { isNullOrUndefined } = util as { isNullOrUndefined?: (value: unknown) => boolean };

const isUsingGpuDevice = new URL(import.meta.url).search === "?gpu";
const binding = { TF_Version: "2.9.1" };
registerBackend("tensorflow", () => Object.assign(new MathBackendCPU(), { isUsingGpuDevice, binding }), 3);
for (const { kernelName, kernelFunc } of getKernelsForBackend("cpu")) {
  const kernel: typeof kernelFunc = (parts) => {
    isNullOrUndefined!(parts.inputs); // as createTensorsTypeOpAttr does, before nearly every op
    const pad = parts.attrs?.pad;
    if (windowed.has(kernelName) && pad !== "valid" && pad !== "same")
      throw new Error(`TF Backend supports only 'valid' and 'same' padding, not ${JSON.stringify(pad)}`);
    return kernelFunc(parts);
  };
  registerKernel({ kernelName, backendName: "tensorflow", kernelFunc: kernel });
}
