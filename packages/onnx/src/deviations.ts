import type { Deviation, OpName } from "@residual/core";
import type { OnnxDevice } from "./options.ts";

const keepsTheLarger = "onnxruntime's MaxPool takes the largest of the other numbers, as IEEE 754's maximumNumber does";
const startsAtTheLeast = "onnxruntime's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity";

const onCpu: readonly Deviation[] = [
  { op: "maxPool2d", trait: "drops NaN", because: keepsTheLarger },
  { op: "maxPool2d", trait: "pads with a finite number", because: startsAtTheLeast },
];

const dropsNaN = (op: OpName, because: string): Deviation => ({ op, trait: "drops NaN", because });

/** The shaders that are quoted lie in the library as text. */
const onWebgpu: readonly Deviation[] = [
  ...onCpu,
  { op: "maxPool2d", trait: "starts at a finite number", because: startsAtTheLeast },
  dropsNaN("relu", "onnxruntime's Relu is `select(0, a, a > 0)`, and NaN is not above 0"),
  dropsNaN(
    "fusedConv2d",
    "onnxruntime's Conv with Relu is `max(value, 0.0)`, and WGSL leaves open whether that keeps NaN",
  ),
  dropsNaN(
    "softmax",
    "onnxruntime's Softmax takes exponentials less a `max`, and WGSL leaves open whether that keeps NaN",
  ),
];

const onSwiftShader: readonly Deviation[] = [
  ...onWebgpu,
  dropsNaN("sigmoid", "onnxruntime's Sigmoid leaves it to the driver what e^NaN is, and SwiftShader's is a number"),
];

/**
 * Where the results of onnxruntime 1.30 differ from PyTorch's. Finite weights and images show none of it. `adapter`
 * is WebGPU's.
 */
export function deviationsOf(device: OnnxDevice, adapter = ""): readonly Deviation[] {
  if (device !== "webgpu") return onCpu;
  return /swiftshader/i.test(adapter) ? onSwiftShader : onWebgpu;
}
