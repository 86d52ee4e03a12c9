/**
 * Stands for tfjs-node where libtensorflow cannot be had: its registration, under its name, and what its kernels refuse (read in
 * tfjs-node 4.22's nodejs_kernel_backend.js), on the kernels of the cpu engine.
 */
const tf = require("@tensorflow/tfjs-core");
const { MathBackendCPU } = require("@tensorflow/tfjs-backend-cpu");
const util = require("node:util");

const windowed = new Set(["Conv2D", "FusedConv2D", "DepthwiseConv2dNative", "MaxPool", "AvgPool"]);

tf.registerBackend("tensorflow", () => new MathBackendCPU(), 3);
for (const { kernelName, kernelFunc } of tf.getKernelsForBackend("cpu")) {
  const kernel = (parts) => {
    util.isNullOrUndefined(parts.inputs); // as createTensorsTypeOpAttr does, before nearly every op
    const { pad } = parts.attrs ?? {};
    if (windowed.has(kernelName) && pad !== "valid" && pad !== "same") throw new Error(`TF Backend supports only 'valid' and 'same' padding, not ${JSON.stringify(pad)}`);
    return kernelFunc(parts);
  };
  tf.registerKernel({ kernelName, backendName: "tensorflow", kernelFunc: kernel });
}

module.exports = { ...tf, version: { "tfjs-core": tf.version_core, "tfjs-node": tf.version_core } };
