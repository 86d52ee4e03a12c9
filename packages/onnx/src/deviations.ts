import type { Deviation, OpName } from "@residual/core";
import type { OnnxDevice } from "./options.ts";

const keepsTheLarger = "onnxruntime's MaxPool ignores NaN, as IEEE 754's maximumNumber does";
const startsAtTheLeast = "onnxruntime's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity";

const onCpu: readonly Deviation[] = [
  { op: "maxPool2d", trait: "drops NaN", because: keepsTheLarger },
  { op: "maxPool2d", trait: "pads with a finite number", because: startsAtTheLeast },
  {
    op: "reluGradient",
    trait: "turns infinity into NaN",
    because:
      "dy is multiplied by a mask, and 0 times infinity is NaN; onnxruntime's Where takes a pass over memory more",
  },
];

const dropsNaN = (op: OpName, because: string): Deviation => ({ op, trait: "drops NaN", because });

/** The quoted shaders are texts in the library. */
const onWebgpu: readonly Deviation[] = [
  ...onCpu,
  { op: "maxPool2d", trait: "starts at a finite number", because: startsAtTheLeast },
  dropsNaN("relu", "onnxruntime's Relu is `select(0, a, a > 0)`, and NaN > 0 is false"),
  dropsNaN(
    "fusedConv2d",
    "onnxruntime's Conv with Relu is `max(value, 0.0)`, and WGSL does not define whether `max` keeps NaN",
  ),
  dropsNaN("clipFactor", "onnxruntime clips by `min` and `max`, and WGSL does not define whether these keep NaN"),
  dropsNaN("softmax", "onnxruntime's Softmax subtracts a `max`, and WGSL does not define whether `max` keeps NaN"),
];

const onSwiftShader: readonly Deviation[] = [
  ...onWebgpu,
  dropsNaN("sigmoid", "onnxruntime's Sigmoid takes e^NaN from the driver, and SwiftShader returns a number"),
];

/**
 * Known differences of onnxruntime 1.30 from PyTorch. They do not show with finite weights and images. `adapter` is the
 * WebGPU adapter's.
 */
export function deviationsOf(device: OnnxDevice, adapter = ""): readonly Deviation[] {
  if (device !== "webgpu") return onCpu;
  return /swiftshader/i.test(adapter) ? onSwiftShader : onWebgpu;
}
