import type { Deviation, OpName } from "@residual/core";
import type { EngineName } from "./dialects.ts";

const dropsNaN = (op: OpName, because: string): Deviation => ({ op, trait: "drops NaN", because });

const keepsTheLarger = dropsNaN(
  "maxPool2d",
  "tfjs's MaxPool keeps a number until a larger one comes, and no NaN is larger",
);

const startsLow = "tfjs's MaxPool starts at -1e20, and not at -infinity";
const timesZero = "tfjs's relu multiplies by 0 what is below 0, and 0 times infinity is NaN";

const known: { readonly [Name in EngineName]?: readonly Deviation[] } = {
  cpu: [keepsTheLarger],
  wasm: [
    dropsNaN("maxPool2d", "XNNPACK's MaxPool takes the larger of two numbers by a comparison, which no NaN wins"),
    dropsNaN(
      "averagePool2d",
      "XNNPACK clamps its results to [-infinity, infinity], and a NaN becomes -infinity on the way",
    ),
  ],
  webgl: [
    keepsTheLarger,
    { op: "maxPool2d", trait: "starts at a finite number", because: startsLow },
    { op: "relu", trait: "turns infinity into NaN", because: timesZero },
    { op: "fusedConv2d", trait: "turns infinity into NaN", because: timesZero },
  ],
  node: [
    dropsNaN("maxPool2d", "TensorFlow's MaxPool keeps a number until a larger one comes, and no NaN is larger"),
    {
      op: "maxPool2d",
      trait: "starts at a finite number",
      because: "TensorFlow's MaxPool starts at the least finite number, -3.4028235e38, and not at -infinity",
    },
  ],
  webgpu: [{ op: "maxPool2d", trait: "pads with a finite number", because: startsLow }],
};

const ofTheDriver = "tfjs's kernel leaves it to the driver what e^NaN is, and SwiftShader's is a number";

const onSwiftShader: readonly Deviation[] = [
  {
    op: "relu",
    trait: "keeps negative subnormals",
    because: "SwiftShader takes a negative subnormal number for 0 when it compares, and so for the larger of the two",
  },
  dropsNaN("sigmoid", ofTheDriver),
  dropsNaN("softmax", ofTheDriver),
];

/**
 * Where the results of an engine of tfjs 4.22 differ from PyTorch's. None of it shows while every value between the
 * layers is finite. Finite weights and images do not ensure that: sums may overflow float32.
 */
export function deviationsOf(engine: EngineName, device: string): readonly Deviation[] {
  const isSwiftShader = engine === "webgpu" && /swiftshader/i.test(device);
  return [...(known[engine] ?? []), ...(isSwiftShader ? onSwiftShader : [])];
}
