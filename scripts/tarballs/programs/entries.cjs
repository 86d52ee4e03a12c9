/** Every entry of every package, but for the one that needs Vitest around it. */
module.exports = [
  "residual",
  "@residual/conformance",
  "@residual/conformance/node",
  "@residual/core",
  "@residual/kit/files",
  "@residual/kit/gpu",
  "@residual/onnx",
  "@residual/pipeline",
  "@residual/tfjs",
  "@residual/tfjs/node",
  "@residual/vision",
  "@residual/vision/imagenet-labels",
  "@residual/wasm",
  "@residual/webgpu",
  "@residual/webgpu-software",
  "@residual/weights",
];
