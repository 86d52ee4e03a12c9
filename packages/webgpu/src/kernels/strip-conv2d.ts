import { four, type Packing } from "../layout.ts";
import { bindings, bits, type Kernel, quotient } from "./kernel.ts";

/** What one subgroup works out of a convolution with three rows of taps: a strip, of so many rows, as wide as the subgroup. */
export interface Strip {
  /** Lanes of a subgroup, each a column. */
  readonly lanes: number;
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output rows, of which each lane works out all. */
  readonly rows: number;
  /** Channels of x that a step takes, loaded together. */
  readonly depth: 1 | 2 | 4;
  /** From one output row to the next, in rows of x. */
  readonly down: 1 | 2;
}

/**
 * conv2d with three rows of taps, for the same adapters as tiledConv2d and in its manner. A lane's pixels lie one above the other, so
 * that a row of x, once loaded, serves all taps that see it: 9 loads instead of 21 for a column of taps of 7 pixels. Where few
 * outputs share what is loaded (ResNeXt's groups of 4) that is most of the work; where the image is 7 × 7 no row is in vain. A sum is
 * also loaded and stored once for three taps.
 */
export function stripConv2d({ lanes, channels, rows, depth, down }: Strip): Kernel {
  const each = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join("\n");
  const seen = (rows - 1) * down + 3;
  const sub = 4 / depth; // parts of a vec4 that a step takes one of
  const axes = ["x", "y", "z", "w"] as const;
  const x = depth === 1 ? "f32" : (`vec${depth}f` as const);
  const weight = depth === 1 ? "vec4f" : x; // numbers of one step lie together: a load takes four outputs
  const perLoad = depth === 1 ? 4 : 1;
  const loads = Math.ceil((3 * channels) / perLoad / lanes);
  const weightAt = (tap: number, m: number) => {
    const at = tap * channels + m;
    const of = Math.floor(at / perLoad);
    const part = perLoad === 4 ? `.${axes[at % 4]}` : "";
    return `subgroupBroadcast(w${Math.floor(of / lanes)}${part}, ${of % lanes}u)`;
  };
  const products = (m: number, n: number) => {
    const terms = [0, 1, 2].flatMap((tap) =>
      depth === 1
        ? [[`t${tap}`, `x${n * down + tap}`]]
        : axes.slice(0, depth).map((k) => [`t${tap}.${k}`, `x${n * down + tap}.${k}`]),
    );
    return terms.reduce((sum, [a, b]) => `fma(${a}, ${b}, ${sum})`, `s${m}_${n}`);
  };
  const sums = (q: number, n: number) => [0, 1, 2, 3].map((k) => `s${4 * q + k}_${n}`).join(", ");
  const program = `
enable subgroups;
${bindings(strip, { x, weight })}

${bits}

${quotient}

fn put(quad: u32, i: u32, sum: vec4f) {
  var whole = sum;
  if (p.hasBias == 1u) { whole += bias[quad]; }
  if (p.hasResidual == 1u) { whole += residual[i]; }
  if (p.relu == 1u) { whole = rectified(whole); }
  y[i] = filled(whole, quad, p.channels);
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = quotient(group.y, p.across); // of rows
  let column = (group.y - block * p.across) * ${lanes}u + lane;
  let plane = p.h * p.w;
  let start = (group.z * p.xQuads + group.x * ${channels}u / p.outputsPerGroup * p.perGroup) * plane;
  let top = block * ${rows * down}u - p.top;
${each(channels, (m) => each(rows, (n) => `  var s${m}_${n} = 0.0;`))}
  var at = group.x * p.kw * p.perGroup * ${(3 * channels * sub) / perLoad}u + lane;
  for (var b = 0u; b < p.kw; b++) {
    let q = column * p.right + b - p.left;
${each(
  seen,
  (r) =>
    `    let in${r} = q < p.w && top + ${r}u < p.h; let from${r} = (start + select(0u, (top + ${r}u) * p.w + q, in${r}))${sub === 1 ? "" : ` * ${sub}u`};`,
)}
    for (var c = 0u; c < p.perGroup${sub === 1 ? "" : ` * ${sub}u`}; c++) {
      let next = ${sub === 1 ? "c * plane" : `(c / ${sub}u) * plane * ${sub}u + c % ${sub}u`};
${each(loads, (j) => `      let w${j} = weight[at + ${j * lanes}u];`)}
${each(seen, (r) => `      let x${r} = select(${x}(), x[from${r} + next], in${r});`)}
${each(
  channels,
  (m) => `      { let t0 = ${weightAt(0, m)}; let t1 = ${weightAt(1, m)}; let t2 = ${weightAt(2, m)};
${each(rows, (n) => `        s${m}_${n} = ${products(m, n)};`)} }`,
)}
      at += ${(3 * channels) / perLoad}u;
    }
  }
  var all = array<vec4f, ${(channels / 4) * rows}>(
${each(channels / 4, (q) => each(rows, (n) => `    vec4f(${sums(q, n)}),`))}
  );
  if (column >= p.ow) { return; }
  for (var n = 0u; n < ${rows}u; n++) { // loops: written out, they take longer to compile than all the rest
    let row = block * ${rows}u + n;
    if (row >= p.oh) { break; }
    for (var q = 0u; q < ${channels / 4}u; q++) {
      let quad = group.x * ${channels / 4}u + q;
      if (quad < p.quads) { put(quad, ((group.z * p.quads + quad) * p.oh + row) * p.ow + column, all[q * ${rows}u + n]); }
    }
  }
}
`;
  return { ...strip, name: `conv2d ${channels}×${rows}×${depth} in strips of ${lanes}, ${down} down`, program };
}

const strip: Pick<Kernel, "buffers" | "params"> = {
  buffers: ["x", "weight", "bias", "residual", "y"],
  // biome-ignore format: what belongs together in a line
  params: [
    "oh", "ow", "across", "channels", "quads", "h", "w", "xQuads", "kw", "right", "top", "left", "perGroup", "outputsPerGroup",
    "hasBias", "hasResidual", "relu",
  ],
};

/** Weights [O, C, 3, KW] in the order that strips read them, [O / channels][KW][C / depth][3][channels][depth]; zeros behind. */
export function forStrips(shape: readonly number[], { channels, depth }: Strip): Packing {
  const [o, c, , kw] = four(shape);
  const filled = Math.ceil(c / 4) * 4;
  const [tap, column] = [channels * depth, 3 * channels * filled];
  const write: Packing["write"] = ({ data }, to) => {
    for (let out = 0, from = 0; out < o; out++) {
      const start = Math.floor(out / channels) * kw * column + (out % channels) * depth;
      for (let k = 0; k < c; k++) {
        const first = start + Math.floor(k / depth) * 3 * tap + (k % depth);
        for (let a = 0; a < 3; a++) {
          for (let b = 0; b < kw; b++, from++) to[first + b * column + a * tap] = data[from]!;
        }
      }
    }
  };
  return { name: `in strips ${channels}×${depth}`, length: Math.ceil(o / channels) * kw * column, write };
}
