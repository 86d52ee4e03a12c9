import type { Deviation, OpName } from "@residual/core";
import type { EngineName } from "./dialects.ts";

const dropsNaN = (op: OpName, because: string): Deviation => ({ op, trait: "drops NaN", because });

const keepsTheLarger = dropsNaN(
  "maxPool2d",
  "tfjs's MaxPool replaces its maximum only by a larger number, and a comparison with NaN is false",
);

const startsLow = "tfjs's MaxPool starts at -1e20 instead of -infinity";
const timesZero = "tfjs's relu multiplies negative numbers by 0, and 0 times infinity is NaN";

const known: { readonly [Name in EngineName]?: readonly Deviation[] } = {
  cpu: [keepsTheLarger],
  wasm: [
    dropsNaN("maxPool2d", "XNNPACK's MaxPool compares two numbers, and a comparison with NaN is false"),
    dropsNaN("averagePool2d", "XNNPACK clamps its results to [-infinity, infinity], which turns NaN into -infinity"),
    dropsNaN(
      "conv2dInputGradient",
      "XNNPACK clamps a 1 × 1 convolution of one channel, which turns NaN into -infinity",
    ),
  ],
  webgl: [
    keepsTheLarger,
    { op: "maxPool2d", trait: "starts at a finite number", because: startsLow },
    { op: "relu", trait: "turns infinity into NaN", because: timesZero },
    { op: "fusedConv2d", trait: "turns infinity into NaN", because: timesZero },
  ],
  node: [
    dropsNaN(
      "maxPool2d",
      "TensorFlow's MaxPool replaces its maximum only by a larger number, and a comparison with NaN is false",
    ),
    {
      op: "maxPool2d",
      trait: "starts at a finite number",
      because: "TensorFlow's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity",
    },
  ],
  webgpu: [{ op: "maxPool2d", trait: "pads with a finite number", because: startsLow }],
};

const ofTheDriver = "tfjs's kernel takes e^NaN from the driver, and SwiftShader returns a number";

const onSwiftShader: readonly Deviation[] = [
  {
    op: "relu",
    trait: "keeps negative subnormals",
    because: "SwiftShader compares a negative subnormal number as 0",
  },
  dropsNaN("sigmoid", ofTheDriver),
  dropsNaN("softmax", ofTheDriver),
];

/**
 * Known differences of tfjs 4.22's engines from PyTorch. They do not show while all values between layers are finite.
 * Finite weights and images do not guarantee that: sums may overflow float32.
 */
export function deviationsOf(engine: EngineName, device: string): readonly Deviation[] {
  const isSwiftShader = engine === "webgpu" && /swiftshader/i.test(device);
  return [...(known[engine] ?? []), ...(isSwiftShader ? onSwiftShader : [])];
}
