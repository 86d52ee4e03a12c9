import type { WeightGradientStrategy } from "../decide/weight-gradient.ts";
import { type KernelIn, kernelIn, lines, OUTSIDE } from "./kernel.ts";
import type { Lanes } from "./step-weights.ts";
import { signature, weightProduct } from "./weight-product.ts";

/** The part of a weight's gradient that one workgroup computes. */
export interface WeightTile extends Lanes {
  /** Outputs, a multiple of 4. */
  readonly outputs: number;
  /** Columns of each lane. A column is four channels at a tap. */
  readonly columns: number;
  /** Pixels of a step, a multiple of 4. */
  readonly pixels: number;
}

/**
 * The gradient of conv2d by its weight for software adapters, as the product dy · xᵀ: rows are outputs, columns are
 * channels at taps, and the sums run over the pixels of all images. Built like tiledConv2d: a workgroup is one
 * subgroup,
 * whose lanes keep outputs × columns sums in registers. In a step each lane loads x at its columns for some pixels, and
 * the subgroup shares dy.
 *
 * Along z the pixels are divided into parts, whose sums `sumWeightParts` adds: with few weights there would be fewer
 * workgroups than cores.
 */
function tiledWeightGradient(tile: WeightTile): KernelIn {
  const { lanes, outputs, columns, pixels, withoutSubgroups } = tile;
  const quads = outputs / 4;
  const own = Math.ceil(quads / lanes); // quads of dy that a lane loads, if lanes share them
  const isShared = quads > 1 && !withoutSubgroups;
  const loads = isShared ? own : quads;
  const ks = Array.from({ length: pixels }, (_, k) => k);
  const dyOf = (k: number, q: number) =>
    isShared ? `subgroupBroadcast(d${k}_${Math.floor(q / lanes)}, ${q % lanes}u)` : `d${k}_${q}`;
  const rows = ["x", "y", "z", "w"];
  const text = () => `@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let seen = group.x * ${outputs}u / p.outputsPerGroup * p.perGroup; let plane = p.h * p.w; let yPlane = p.oh * p.ow;
${lines(
  columns,
  (n) => `  let column${n} = min(group.y * ${lanes * columns}u + ${n * lanes}u + lane, p.columns - 1u);
  let tap${n} = column${n} / p.perGroup; let x${n} = (seen + column${n} - tap${n} * p.perGroup) * plane;
  let above${n} = tap${n} / p.kw * p.dilationH - p.top; let before${n} = tap${n} % p.kw * p.dilationW - p.left;`,
)}
${lines(
  loads,
  (j) =>
    `  let y${j} = min(group.x * ${quads}u + ${isShared ? `${j * lanes}u + lane % ${Math.min(quads, lanes)}u` : `${j}u`}, p.yQuads - 1u) * yPlane;`,
)}
${lines(outputs, (o) => lines(columns, (n) => `  var r${o}_${n} = vec4f();`))}
  let first = group.z * p.part; let end = min(first + p.part, p.pixels);
  var image = quotient(first, yPlane); var row = quotient(first - image * yPlane, p.ow);
  var column = first - image * yPlane - row * p.ow;
  for (var pixel = first; pixel < end; pixel += ${pixels}u) {
${ks
  .map(
    (k) => `    let known${k} = pixel + ${k}u < end; let down${k} = row * p.down; let right${k} = column * p.right;
    let source${k} = image * p.xQuads * plane; let at${k} = select(0u, image * p.yQuads * yPlane + row * p.ow + column, known${k});
    column++; row = select(row, row + 1u, column == p.ow); column = select(column, 0u, column == p.ow);
    image = select(image, image + 1u, row == p.oh); row = select(row, 0u, row == p.oh);
${lines(loads, (j) => `    let d${k}_${j} = select(vec4f(), dy(y${j} + at${k}), known${k});`)}
${lines(
  columns,
  (n) => `    let q${k}_${n} = down${k} + above${n}; let s${k}_${n} = right${k} + before${n};
    let in${k}_${n} = q${k}_${n} < p.h && s${k}_${n} < p.w && known${k};
    let v${k}_${n} = select(vec4f(), x(select(0u, source${k} + x${n} + q${k}_${n} * p.w + s${k}_${n}, in${k}_${n})), in${k}_${n});`,
)}`,
  )
  .join("\n")}
${lines(
  pixels / 4,
  (four) => `${lines(
    columns,
    (n) =>
      `    let m${four}_${n} = mat4x4f(${ks
        .slice(4 * four, 4 * four + 4)
        .map((k) => `v${k}_${n}`)
        .join(", ")});`,
  )}
${lines(
  quads,
  (q) => `    { ${ks
    .slice(4 * four, 4 * four + 4)
    .map((k) => `let g${k} = ${dyOf(k, q)};`)
    .join(" ")}
${rows
  .map((row, r) => {
    const factors = `vec4f(${ks
      .slice(4 * four, 4 * four + 4)
      .map((k) => `g${k}.${row}`)
      .join(", ")})`;
    return `      { let f = ${factors}; ${Array.from({ length: columns }, (_, n) => `r${4 * q + r}_${n} += m${four}_${n} * f;`).join(" ")} }`;
  })
  .join("\n")} }`,
)}`,
)}
  }
  let to = group.z * p.outputs;
${lines(columns, (n) => `  let c${n} = group.y * ${lanes * columns}u + ${n * lanes}u + lane;`)}
${lines(
  outputs,
  (
    o,
  ) => `  let o${o} = group.x * ${outputs}u + ${o}u; let place${o} = select(${OUTSIDE}u, (to + o${o}) * p.columns, o${o} < p.outputs);
${lines(columns, (n) => `  putInside(select(${OUTSIDE}u, place${o} + c${n}, c${n} < p.columns), r${o}_${n});`)}`,
)}
}`;
  return kernelIn({ ...signature, name: `weight gradient ${nameOf(tile)}` }, text);
}

const nameOf = ({ lanes, outputs, columns, pixels, withoutSubgroups }: WeightTile) =>
  `${outputs}×${columns} of ${pixels} pixels on ${lanes} lanes${withoutSubgroups ? ", without subgroups" : ""}`;

export function tiledGradient(tile: WeightTile): WeightGradientStrategy {
  const { lanes, outputs, columns, pixels, withoutSubgroups } = tile;
  return weightProduct({
    name: `weight gradient ${nameOf(tile)}`,
    kernel: tiledWeightGradient(tile),
    outputs,
    columns: lanes * columns,
    pixels,
    workgroups: 32,
    leastPixels: 64,
    stepCost({ load, broadcast, fma, keep, step }) {
      const quads = outputs / 4;
      const dyLoads = withoutSubgroups ? quads : Math.ceil(quads / lanes);
      const broadcasts = withoutSubgroups || quads === 1 ? 0 : outputs;
      const ofPixel = (columns + dyLoads) * load + broadcasts * broadcast + 4 * outputs * columns * fma;
      return step + pixels * ofPixel + 4 * outputs * columns * keep;
    },
  });
}
