import { four, type WeightOrder } from "../layout.ts";
import {
  ended,
  ending,
  ends,
  isTextures,
  type KernelIn,
  kernelIn,
  lines,
  type Memory,
  type Products,
  productsIn,
} from "./kernel.ts";

/**
 * What one subgroup works out of a convolution with three rows of taps: a strip, of so many rows, as wide as the
 * subgroup.
 */
export interface Strip {
  /** Lanes of a subgroup, each a column. */
  readonly lanes: number;
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output rows, of which each lane works out all. */
  readonly rows: number;
  /** From one output row to the next, in rows of x. */
  readonly down: 1 | 2;
  /** Of products, and of sums of four; float32 where not given. */
  readonly products?: Products;
}

/**
 * conv2d with three rows of taps, for the same adapters as tiledConv2d and in its manner. A lane's pixels lie one above
 * the other, so that a row of x, once loaded, serves all taps that see it: 9 loads instead of 21 for a column of taps
 * of 7 pixels. Where few outputs share what is loaded (ResNeXt's groups of 4) that is most of the work. A sum is also
 * loaded and stored once for three taps.
 */
export function stripConv2d({ lanes, channels, rows, down, products }: Strip): KernelIn {
  const seen = (rows - 1) * down + 3;
  const loads = Math.ceil((3 * channels) / lanes);
  const quads = channels / 4;
  const weightAt = (tap: number, m: number) => {
    const at = tap * channels + m;
    return `subgroupBroadcast(w${Math.floor(at / lanes)}, ${at % lanes}u)`;
  };
  const text = (memory: Memory) => {
    const { four: vec4, bank, plus, within } = productsIn(products, memory);
    return `${isTextures(memory) ? "" : ended}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = quotient(group.y, p.across); // of rows
  let column = (group.y - block * p.across) * ${lanes}u + lane;
  let plane = p.h * p.w;
  let seen = (group.z * p.xQuads + group.x * ${channels}u / p.outputsPerGroup * p.perGroup) * plane;
  let top = block * ${rows * down}u - p.top;
${lines(quads, (q) => lines(rows, (n) => `  var r${q}_${n} = vec4f();`))}
  var at = group.x * p.kw * p.perGroup * ${3 * channels}u + lane;
  for (var b = 0u; b < p.kw; b++) {
    let q = column * p.right + b - p.left;
${lines(
  seen,
  (r) =>
    `    let in${r} = q < p.w && top + ${r}u < p.h; let from${r} = seen + select(0u, (top + ${r}u) * p.w + q, in${r});`,
)}
    for (var c = 0u; c < p.perGroup; c++) {
      let next = c * plane;
${lines(loads, (j) => `      let w${j} = ${vec4}(weight(at + ${j * lanes}u));`)}
${lines(seen, (r) => `      let v${r} = ${vec4}(select(vec4f(), x(from${r} + next), in${r}));`)}
${lines(
  quads,
  (
    q,
  ) => `      { ${[0, 1, 2].map((tap) => `let m${tap} = ${bank([0, 1, 2, 3].map((k) => weightAt(tap, 4 * q + k)))};`).join("\n        ")}
${lines(rows, (n) => lines(3, (tap) => `        r${q}_${n} = ${plus(`r${q}_${n}`, `v${n * down + tap}`, `m${tap}`)};`))} }`,
)}
      at += ${3 * channels}u;
    }
  }
  if (column >= p.ow) { return; }
${products === "float16" ? lines(quads, (q) => lines(rows, (n) => `  r${q}_${n} = ${within(`r${q}_${n}`)};`)) : ""}
  let first = group.x * ${quads}u; let start = group.z * p.quads * p.oh * p.ow + column;
${ends(
  {
    quads,
    pixels: rows,
    at: (n) => `(block * ${rows}u + ${n}) * p.ow`,
    known: (n) => `block * ${rows}u + ${n} < p.oh`,
    plane: "p.oh * p.ow",
  },
  memory,
)}
}`;
  };
  const { name } = productsIn(products);
  return kernelIn({ ...strip, name: `conv2d ${channels}×${rows} in strips of ${lanes}, ${down} down${name}` }, text);
}

const seenInStrips = ["h", "w", "xQuads", "kw", "right", "top", "left"];

const strip = {
  operands: ["x", "weight", "bias", "residual", "y"],
  params: ["oh", "ow", "across", "quads", "perGroup", "outputsPerGroup", ...seenInStrips, ...ending],
};

/** Of weights [O, C, 3, KW]: [O / channels][KW][C / 4][3][channels][4]. */
export function stripOrder(shape: readonly number[], { channels }: Strip): WeightOrder {
  const [, c, kh, kw] = four(shape);
  const down = 4 * channels;
  const right = Math.ceil(c / 4) * kh * down;
  return {
    name: `in strips of ${channels}`,
    block: channels,
    blockLength: kw * right,
    together: 4,
    channels: kh * down,
    down,
    right,
  };
}
