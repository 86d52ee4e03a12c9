import { costOf, epilogueCost } from "../decide/cost.ts";
import { hasWholeBlocks, type Layer, quadsPerGroup } from "../decide/layer.ts";
import { type Strategy, trialOf } from "../decide/strategy.ts";
import { addends, epilogueOf, inWeightOrder, windowOf } from "../lower/convolution.ts";
import { four, type WeightOrder } from "../lower/layout.ts";
import {
  epilogueParams,
  epilogueWgsl,
  isTextures,
  type KernelIn,
  kernelIn,
  lines,
  type Memory,
  MOST_WORKGROUPS,
  type Products,
  productsIn,
  tileEpilogue,
} from "./kernel.ts";
import { repack } from "./repack.ts";
import { type Lanes, stepWeights } from "./step-weights.ts";

/**
 * The part of a convolution with three rows of taps that one workgroup computes: a strip of `rows` output rows, in
 * which each lane computes a column.
 */
export interface Strip extends Lanes {
  /** Output channels, a multiple of 4. */
  readonly channels: number;
  /** Output rows; each lane computes all of them. */
  readonly rows: number;
  /** The vertical stride. */
  readonly down: 1 | 2;
  /** The dtype of products, and of sums of four products. Default float32 */
  readonly products?: Products;
}

/**
 * conv2d with three rows of taps, for software adapters, built like tiledConv2d. A lane's pixels lie in a column, so
 * each loaded row of x is used for all taps that need it: 9 loads instead of 21 for a column of taps of 7 pixels. If
 * few outputs share a load (ResNeXt's groups of 4), loads are most of the work. Each sum is loaded and stored once for
 * three taps.
 */
function stripConv2d(strip: Strip): KernelIn {
  const { lanes, channels, rows, down, products } = strip;
  const seen = (rows - 1) * down + 3;
  const { loads, first, apart, weight, name: lanesName } = stepWeights(3 * channels, strip);
  const quads = channels / 4;
  const text = (memory: Memory) => {
    const { four: vec4, bank, plus, within } = productsIn(products, memory);
    return `${isTextures(memory) ? "" : epilogueWgsl}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = quotient(group.y, p.across); // of rows
  let column = (group.y - block * p.across) * ${lanes}u + lane;
  let plane = p.h * p.w;
  let seen = (group.z * p.xQuads + group.x * ${channels}u / p.outputsPerGroup * p.perGroup) * plane;
  let top = block * ${rows * down}u - p.top;
${lines(quads, (q) => lines(rows, (n) => `  var r${q}_${n} = vec4f();`))}
  var at = group.x * p.kw * p.perGroup * ${3 * channels}u + ${first};
  var b = 0u; var c = 0u;
  for (var step = p.kw * p.perGroup; step > 0u; step--) {
    let q = column * p.right + b - p.left; let next = c * plane;
${lines(
  seen,
  (r) =>
    `    let in${r} = q < p.w && top + ${r}u < p.h; let from${r} = seen + select(0u, (top + ${r}u) * p.w + q, in${r});`,
)}
${lines(loads, (j) => `    let w${j} = ${vec4}(weight(at + ${j * apart}u));`)}
${lines(seen, (r) => `    let v${r} = ${vec4}(select(vec4f(), x(from${r} + next), in${r}));`)}
${lines(
  quads,
  (
    q,
  ) => `    { ${[0, 1, 2].map((tap) => `let m${tap} = ${bank([0, 1, 2, 3].map((k) => weight(tap * channels + 4 * q + k)))};`).join("\n      ")}
${lines(rows, (n) => lines(3, (tap) => `      r${q}_${n} = ${plus(`r${q}_${n}`, `v${n * down + tap}`, `m${tap}`)};`))} }`,
)}
    at += ${3 * channels}u; c++;
    b = select(b, b + 1u, c == p.perGroup); c = select(c, 0u, c == p.perGroup);
  }
  if (column >= p.ow) { return; }
${products === "float16" ? lines(quads, (q) => lines(rows, (n) => `  r${q}_${n} = ${within(`r${q}_${n}`)};`)) : ""}
  let first = group.x * ${quads}u; let start = group.z * p.quads * p.oh * p.ow + column;
${tileEpilogue(
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
  return kernelIn(
    { ...signature, name: `conv2d ${channels}×${rows} in strips of ${lanes}, ${down} down${lanesName}${name}` },
    text,
  );
}

const window = ["h", "w", "xQuads", "kw", "right", "top", "left"];

const signature = {
  operands: ["x", "weight", "bias", "residual", "y"],
  params: ["oh", "ow", "across", "quads", "perGroup", "outputsPerGroup", ...window, ...epilogueParams],
};

/** For grouped convolutions. Without groups a tile is as fast, and its weights are packed faster. */
export function strips(strip: Strip): Strategy {
  const { lanes, channels, rows, down, products } = strip;
  const kernel = stripConv2d(strip);
  const weights = stepWeights(3 * channels, strip);
  const workgroupsOf = ({ weight: [outputs], y: [n, , oh, ow] }: Layer) =>
    [Math.ceil(outputs / channels), Math.ceil(ow / lanes) * Math.ceil(oh / rows), n] as const;
  return {
    name: `strips ${channels}×${rows} of ${lanes}, ${down} down${weights.name}${productsIn(products).name}`,
    kernels: [kernel],
    packing: repack,
    fits(layer) {
      const { stride, dilation, groups } = layer.attributes;
      const isStrip = layer.weight[2] === 3 && Math.max(...dilation) === 1 && stride[0] === down && groups > 1;
      return isStrip && hasWholeBlocks(layer, channels) && Math.max(...workgroupsOf(layer)) <= MOST_WORKGROUPS;
    },
    cost(layer, cost) {
      const { load, broadcast, fma, keep } = cost;
      const seen = (rows - 1) * down + 3;
      const multiplyAdds = channels * rows * (12 * fma + keep);
      const step = cost.step + (seen + weights.loads) * load + 4 * weights.broadcasts * broadcast + multiplyAdds;
      const steps = layer.weight[3] * quadsPerGroup(layer) * step;
      const [x, y, z] = workgroupsOf(layer);
      return costOf(x * y * z, steps + epilogueCost(channels * rows, cost), cost);
    },
    emit(builder, { node, layer, inputs }) {
      const weight = inWeightOrder(builder, inputs.weight, stripOrder(inputs.weight.shape, strip));
      const x = builder.interleaved(inputs.x);
      const [bias, residual] = addends(builder, inputs, weight);
      const [, outputs, oh, ow] = layer.y;
      const across = Math.ceil(ow / lanes);
      const groups = { perGroup: quadsPerGroup(layer), outputsPerGroup: outputs / layer.attributes.groups };
      const params = { oh, across, quads: outputs / 4, ...groups, ...windowOf(layer), ...epilogueOf(layer) };
      return builder.emit(node, kernel, [x, weight, bias, residual], layer.y, {
        params,
        workgroups: workgroupsOf(layer),
      });
    },
    trial: trialOf({ outputs: 2 * channels, stride: down, groups: 2 }),
  };
}

/** Weights [O, C, 3, KW] become [O / channels][KW][C / 4][3][channels][4]. */
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
