import { four, type WeightOrder } from "../layout.ts";
import { bindings, bits, type Kernel, quotient } from "./kernel.ts";

/** How much of the output one subgroup works out: so many channels, of so many pixels for each of its lanes. */
export interface Tile {
  /** Lanes of a subgroup. */
  readonly lanes: number;
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output pixels of each lane. */
  readonly pixels: number;
  /** Channels of x that a step takes, loaded together. */
  readonly depth: 2 | 4;
}

/**
 * conv2d for adapters on which a load costs as much as 36 multiply-adds and memory of a workgroup is no cheaper
 * (software ones). A workgroup is a subgroup without barriers. Each lane keeps channels × pixels sums in registers. At each step
 * (two or four channels of x, a tap) it loads a vector of x for each pixel, and its part of the step's weights, which the subgroup
 * then broadcasts: a 32 × 7 × 2 tile of 8 lanes takes 11 loads for 448 multiply-adds a lane, where the plain kernel takes 896.
 *
 * What lavapipe makes of it, read in its machine code: a load is a branch and a bounds check for each lane, some 80 instructions for
 * a number of 8 lanes; a multiply-add is two, and a sum that lives through the loop is loaded, blended by the mask of
 * active lanes and stored again at each step. Wider steps save of both, until the loop leaves the 32 KiB of the instruction
 * cache: with depth 2 it has 23 KiB and reaches 20 to 24 GFLOP/s a core, with 4 it has 45 KiB and reaches 15, with 1 18.
 *
 * Pixels count through all images. A tile lies within a group; x's channels of a group are whole fours. Along z there may be many
 * such products beside one another (`xStep`, `weightStep`, `yStep` apart), which is what Winograd's algorithm asks for.
 * Registers have to be variables of their own, so the text is generated; `program` is it.
 */
export function tiledConv2d({ lanes, channels, pixels, depth }: Tile): Kernel {
  const each = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join("\n");
  const loads = Math.ceil(channels / lanes);
  const axes = ["x", "y", "z", "w"].slice(0, depth);
  const type = `vec${depth}f` as const;
  const sums = (q: number, n: number) => [0, 1, 2, 3].map((k) => `s${4 * q + k}_${n}`).join(", ");
  const program = `
enable subgroups;
${bindings(tiled, { x: type, weight: type })}

${bits}

${quotient}

fn put(start: u32, quad: u32, i: u32, sum: vec4f) {
  var whole = sum;
  if (p.hasBias == 1u) { whole += bias[quad]; }
  if (p.hasResidual == 1u) { whole += residual[i]; }
  if (p.relu == 1u) { whole = rectified(whole); }
  y[start + i] = filled(whole, quad, p.channels);
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.y * ${lanes * pixels}u + lane;
  // the first channels of x that the tile sees
  let start = group.x * ${channels}u / p.outputsPerGroup * p.perGroup; let plane = p.h * p.w;
${each(
  pixels,
  (n) => `  let pixel${n} = min(first + ${n * lanes}u, p.pixels - 1u); let image${n} = quotient(pixel${n}, p.plane);
  let down${n} = quotient(pixel${n} - image${n} * p.plane, p.ow); let right${n} = pixel${n} - image${n} * p.plane - down${n} * p.ow;
  let x${n} = group.z * p.xStep + (image${n} * p.xQuads + start) * plane; let row${n} = down${n} * p.down - p.top; let column${n} = right${n} * p.right - p.left;`,
)}
${each(channels, (m) => each(pixels, (n) => `  var s${m}_${n} = 0.0;`))}
  var at = group.z * p.weightStep * ${4 / depth}u + group.x * p.kh * p.kw * p.perGroup * ${(channels * 4) / depth}u + lane;
  for (var a = 0u; a < p.kh; a++) {
    for (var b = 0u; b < p.kw; b++) {
${each(
  pixels,
  (
    n,
  ) => `      let q${n} = row${n} + a * p.dilationH; let r${n} = column${n} + b * p.dilationW; let in${n} = q${n} < p.h && r${n} < p.w;
      let from${n} = (x${n} + select(0u, q${n} * p.w + r${n}, in${n}))${depth === 2 ? " * 2u" : ""};`,
)}
      for (var c = 0u; c < p.perGroup${depth === 2 ? " * 2u" : ""}; c++) {
        let next = ${depth === 2 ? "(c >> 1u) * plane * 2u + (c & 1u)" : "c * plane"};
${each(loads, (j) => `        let w${j} = weight[at + ${j * lanes}u];`)}
${each(pixels, (n) => `        let x${n} = select(${type}(), x[from${n} + next], in${n});`)}
${each(
  channels,
  (m) => `        { let w = subgroupBroadcast(w${Math.floor(m / lanes)}, ${m % lanes}u);
${each(pixels, (n) => `          s${m}_${n} = ${axes.reduce((sum, k) => `fma(w.${k}, x${n}.${k}, ${sum})`, `s${m}_${n}`)};`)} }`,
)}
        at += ${channels}u;
      }
    }
  }
  var all = array<vec4f, ${(channels / 4) * pixels}>(
${each(channels / 4, (q) => each(pixels, (n) => `    vec4f(${sums(q, n)}),`))}
  );
  for (var n = 0u; n < ${pixels}u; n++) { // loops: written out, they take longer to compile than all the rest
    let pixel = first + n * ${lanes}u;
    if (pixel >= p.pixels) { break; }
    let image = quotient(pixel, p.plane);
    let start = pixel + image * (p.quads - 1u) * p.plane;
    for (var q = 0u; q < ${channels / 4}u; q++) {
      let quad = group.x * ${channels / 4}u + q;
      if (quad < p.quads) { put(group.z * p.yStep, quad, start + quad * p.plane, all[q * ${pixels}u + n]); }
    }
  }
}
`;
  return { ...tiled, name: `conv2d ${channels}×${pixels}×${depth} on ${lanes} lanes`, program };
}

const tiled: Pick<Kernel, "buffers" | "params"> = {
  buffers: ["x", "weight", "bias", "residual", "y"],
  // biome-ignore format: what belongs together in a line
  params: [
    "pixels", "plane", "ow", "channels", "quads", "h", "w", "xQuads", "kh", "kw", "down", "right", "top", "left", "dilationH", "dilationW",
    "perGroup", "outputsPerGroup", "xStep", "weightStep", "yStep", "hasBias", "hasResidual", "relu",
  ],
};

/** [O / channels][KH][KW][C / depth][channels][depth], C filled up to fours. */
export function tileOrder(shape: readonly number[], { channels, depth }: Tile): WeightOrder {
  const [o, c, kh, kw] = four(shape);
  const tap = Math.ceil(c / 4) * 4 * channels;
  const block = kh * kw * tap;
  const indexOf = (out: number, k: number) =>
    Math.floor(out / channels) * block + (Math.floor(k / depth) * channels + (out % channels)) * depth + (k % depth);
  return { name: `in tiles ${channels}×${depth}`, length: Math.ceil(o / channels) * block, indexOf, tap };
}
