import {
  type Backend,
  constant,
  type Executable,
  fillWhole,
  type Graph,
  graph,
  input,
  ops,
  reference,
  type Tensor,
  tensorOf,
} from "@residual/core";
import type { WebgpuBackend } from "@residual/webgpu";
import { describe, expect, it } from "vitest";

/** A convolution large enough for fast kernels. Most cases of level ops are too small for these kernels. */
interface Layer {
  readonly image: readonly [c: number, side: number];
  readonly weight: readonly [o: number, c: number, window: number];
  readonly stride?: 1 | 2;
  readonly groups?: number;
}

const layers: { readonly [name: string]: Layer } = {
  "1 × 1": { image: [64, 12], weight: [64, 64, 1] },
  "3 × 3": { image: [32, 16], weight: [32, 32, 3] },
  "3 × 3, 56 pixels wide": { image: [64, 56], weight: [64, 64, 3] },
  "3 × 3, two down": { image: [32, 16], weight: [64, 32, 3], stride: 2 },
  "3 × 3 of 512 channels, few pixels": { image: [512, 8], weight: [64, 512, 3], stride: 2 },
  "3 × 3 in groups of 4": { image: [64, 28], weight: [64, 4, 3], groups: 16 },
  "3 × 3 in groups of 8": { image: [64, 28], weight: [64, 8, 3], groups: 8 },
  "3 × 3 in groups of 16": { image: [64, 28], weight: [64, 16, 3], groups: 4 },
  "7 × 7 of 3 channels, two down": { image: [3, 32], weight: [64, 3, 7], stride: 2 },
};

/**
 * NaN and infinities propagate through the fast convolutions as in IEEE 754: from the image, from the residual, and
 * through ReLU. They reach only outputs that read them. Padding, tails of tiles and neighbouring groups stay clean. In
 * Winograd's algorithm, every output of a tile that reads such a number may be NaN. The tested kernels must include
 * every kind in `kernels`.
 */
export function carriesSpecialValues(name: string, backend: WebgpuBackend, kernels: readonly RegExp[]): void {
  describe(`special values in convolutions: ${name}`, () => {
    const used = new Set<string>();
    it.each(Object.entries(layers))("%s", async (_, layer) => {
      const { of, inputs } = graphOf(layer);
      await using executable = await backend.compile(of);
      for (const { name } of executable.programs) used.add(name);
      await carries(executable, { of, inputs }, executable.plan.includes("winograd"));
    });

    it("were of all kinds", () => {
      for (const kind of kernels) expect([...used]).toContainEqual(expect.stringMatching(kind));
    });
  });
}

/**
 * As `carriesSpecialValues`, for a backend that does not list its kernels. `winograd` is set if the backend may use
 * F(4 × 4, 3 × 3).
 */
export function carriesSpecialValuesOn(name: string, backend: Backend, { winograd }: { winograd: boolean }): void {
  describe(`special values in convolutions: ${name}`, () => {
    it.each(Object.entries(layers))("%s", async (_, layer) => {
      const { of, inputs } = graphOf(layer);
      await using executable = await backend.compile(of);
      await carries(executable, { of, inputs }, winograd && layer.weight[2] === 3 && !layer.stride);
    });
  });
}

async function carries(
  executable: Executable<"x" | "residual", "y">,
  { of, inputs }: ReturnType<typeof graphOf>,
  isWinograd: boolean,
): Promise<void> {
  await using exact = await reference.compile(of);
  const { y: found } = await executable.run(inputs);
  const { y: expected } = await exact.run(inputs);
  const spread = isWinograd ? tilesAround(inputs.x) : () => false;
  const wrong = [...expected.data].flatMap((value, at) => {
    const [y, fits] = [found.data[at]!, fitting(value, found.data[at]!, spread(at, expected.shape))];
    return fits ? [] : `element ${at} of ${expected.shape.join("×")}: expected ${value}, got ${y}`;
  });
  expect(wrong.slice(0, 5)).toEqual([]);
  const odd = [...expected.data].filter((value) => !Number.isFinite(value));
  expect(odd.length, "special values in the answer").toBeGreaterThan(3);
  expect(odd.length, "and others").toBeLessThan(expected.data.length);
}

/**
 * Numbers are small and whole, so results are exact. Winograd's F(4 × 4, 3 × 3) is the exception: its weights become
 * sixths.
 */
function fitting(expected: number, found: number, isSpread: boolean): boolean {
  if (isSpread && Number.isNaN(found)) return true;
  return Number.isFinite(expected) ? Math.abs(found - expected) < 0.5 : Object.is(expected, found);
}

/**
 * Whether an output lies in a 4 × 4 tile (which includes its 2 × 2 tiles) with a NaN or infinity among its 6 × 6
 * inputs.
 */
function tilesAround({ data, shape }: Tensor<"float32">): (at: number, shape: readonly number[]) => boolean {
  const [, , h, w] = shape as [number, number, number, number];
  const odd = [...data].flatMap((value, at) =>
    Number.isFinite(value) ? [] : [[Math.floor(at / w) % h, at % w] as const],
  );
  return (at, [, , , ow = 1]) => {
    const [i, j] = [Math.floor(at / ow) % h, at % ow];
    const [top, left] = [i - (i % 4) - 1, j - (j % 4) - 1];
    return odd.some(([row, column]) => row >= top && row < top + 6 && column >= left && column < left + 6);
  };
}

function graphOf({ image: [c, side], weight: [o, perGroup, window], stride = 1, groups = 1 }: Layer): {
  of: Graph<"x" | "residual", "y">;
  inputs: { x: Tensor<"float32">; residual: Tensor<"float32"> };
} {
  const out = Math.ceil(side / stride);
  const [image, sum] = [pattern([1, c, side, side], 1), pattern([1, o, out, out], 2)];
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  // At corners and edges, where tiles end and padding begins; in the first channel and the last.
  image.data[0] = nan;
  image.data[side * side - 1] = inf;
  image.data[(c - 1) * side * side + side * (side - 1)] = -inf;
  for (const [place, value] of [nan, inf, -inf].entries()) {
    sum.data[place * 7 + 1] = value;
    sum.data[sum.data.length - 1 - place * 5] = value;
  }
  const [x, residual] = [input("x", image.shape), input("residual", sum.shape)];
  const weight = constant("weight", nonZero(pattern([o, perGroup, window, window], 3)));
  const bias = constant("bias", pattern([o], 4));
  const options = { stride, groups, padding: (window - 1) / 2, relu: true };
  const y = ops.fusedConv2d({ x, weight, bias, residual }, options);
  return {
    of: graph({ name: "special", inputs: { x, residual }, outputs: { y } }),
    inputs: { x: image, residual: sum },
  };
}

/** Whole numbers from −2 to 2. */
function pattern(shape: readonly number[], seed: number): Tensor<"float32"> {
  return fillWhole("pattern", String(seed), shape, -2, 2);
}

/** A weight of 0 would turn infinity into NaN in every answer. Level ops has a case of this by hand. */
function nonZero({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  return tensorOf(
    "float32",
    shape,
    data.map((value) => value || 1),
  );
}
