import type { Deviation } from "@residual/core";
import type { EngineName } from "./dialects.ts";

const special = "ops/special values";

/** The same of a NaN in each place of a 3 × 3 window. */
function maxPools(because: string): readonly Deviation[] {
  return [0, 1, 2, 3, 4, 5, 6, 7, 8].map((place) => ({
    case: `${special}/maxPool2d: NaN in place ${place} of a window is its answer`,
    because,
  }));
}

const noNumber = "tfjs's MaxPool keeps a number until a larger one comes, and no NaN is larger";
const clamped = "XNNPACK clamps what it answers to [-infinity, infinity], and a NaN becomes -infinity on the way";

const known: { readonly [Name in EngineName]?: readonly Deviation[] } = {
  cpu: maxPools(noNumber),
  wasm: [
    ...maxPools("XNNPACK's MaxPool takes the larger of two numbers by a comparison, which no NaN wins"),
    { case: `${special}/averagePool2d: NaN in its window alone`, because: clamped },
  ],
  webgl: [
    ...maxPools(noNumber),
    ...["a window of -infinity alone", "-infinity at the padded edge", "large negative numbers are numbers"].map(
      (name) => ({
        case: `${special}/maxPool2d: ${name}`,
        because: "tfjs's MaxPool starts at -1e20, and not at -infinity",
      }),
    ),
    ...["relu: infinity stays, -infinity goes", "fusedConv2d: an infinite residual"].map((name) => ({
      case: `${special}/${name}`,
      because: "tfjs's relu multiplies by 0 what is below 0, and 0 times infinity is NaN",
    })),
  ],
  webgpu: [
    {
      case: `${special}/maxPool2d: -infinity at the padded edge`,
      because: "tfjs's MaxPool starts at -1e20, and not at -infinity",
    },
  ],
};

const onSwiftShader: readonly Deviation[] = [
  {
    case: `${special}/relu: -0 is 0, and a subnormal number itself or 0`,
    because: "SwiftShader takes a negative subnormal number for 0 when it compares, and so for the larger of the two",
  },
  ...["sigmoid: infinities are 1 and 0, NaN stays", "softmax: NaN spoils its row alone"].map((name) => ({
    case: `${special}/${name}`,
    because: "tfjs's kernel leaves it to the driver what e^NaN is, and SwiftShader's is a number",
  })),
];

/** Where an engine of tfjs 4.22 answers otherwise than PyTorch. None of it comes up with finite weights and images. */
export function deviationsOf(engine: EngineName, device: string): readonly Deviation[] {
  const isSwiftShader = engine === "webgpu" && /swiftshader/i.test(device);
  return [...(known[engine] ?? []), ...(isSwiftShader ? onSwiftShader : [])];
}
