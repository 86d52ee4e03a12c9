import { type WinogradPoints, winogradF2, winogradF4 } from "@residual/core";
import { type Cost, costOf } from "../decide/cost.ts";
import type { Layer } from "../decide/layer.ts";
import { type Strategy, trialOf } from "../decide/strategy.ts";
import { addends, epilogueOf } from "../lower/convolution.ts";
import { four, type WeightOrder } from "../lower/layout.ts";
import { type Packing, repackGrid } from "../lower/packing.ts";
import { epilogueParams, type KernelIn, lines, OUTSIDE, plain } from "./kernel.ts";
import { emitProduct, isDispatchable, type Product, productCost } from "./product.ts";
import { weightParams, weightStart } from "./repack.ts";

/**
 * The kernels of Winograd's algorithm (core/src/winograd.ts). A convolution kernel computes ⊙, as a matrix product for
 * each position of a tile.
 */
export interface Winograd {
  readonly name: WinogradPoints["name"];
  readonly points: WinogradPoints;
  /** Outputs of a tile, along each axis. */
  readonly outputs: number;
  /** Input pixels of a tile, along each axis. */
  readonly inputs: number;
  readonly inputTransform: KernelIn;
  readonly outputTransform: KernelIn;
  /** For weights on the device. */
  readonly weightTransform: KernelIn;
  readonly kernelMatrix: readonly (readonly number[])[];
}

export const f2: Winograd = transformsOf(winogradF2);
export const f4: Winograd = transformsOf(winogradF4);

function transformsOf(points: WinogradPoints): Winograd {
  const { name, input, kernel, output } = points;
  const [inputs, outputs] = [input.length, output.length];
  return {
    name,
    points,
    inputs,
    outputs,
    inputTransform: inputTransform(name, input),
    outputTransform: outputTransform(name, output),
    weightTransform: weightTransform(name, kernel),
    kernelMatrix: kernel,
  };
}

/**
 * A strategy with the transforms, and a matrix product for each position of a tile. Not in float16: its bounds do not
 * cover rounded tiles.
 */
export function winograd(transforms: Winograd, product: Product): Strategy {
  const { name, inputs: side, inputTransform, outputTransform } = transforms;
  const positions = side * side;
  return {
    name: `${name}, ${product.name}`,
    kernels: [inputTransform, product.kernel, outputTransform],
    packing: transforms.weightTransform,
    winograd: transforms.points,
    fits(layer) {
      const [, , kh, kw] = layer.weight;
      const { stride, dilation, groups } = layer.attributes;
      if (kh !== 3 || kw !== 3 || groups > 1 || Math.max(...stride, ...dilation) > 1) return false;
      const products = productsOf(transforms, layer);
      return product.fits(products) && isDispatchable(product, products, { positions });
    },
    cost(layer, cost) {
      const products = productsOf(transforms, layer);
      return productCost(product, products, cost, { positions }) + transformCost(transforms, layer, cost);
    },
    emit(builder, { node, layer, inputs }) {
      const products = productsOf(transforms, layer);
      const weight = builder.packed(
        inputs.weight,
        forWinograd(transforms, layer.weight, product.order(products.weight)),
      );
      const [, c, h, w] = layer.x;
      const [, o, oh, ow] = layer.y;
      const { tilesH, tilesW, total: pixels } = tilesOf(transforms, layer);
      const [top, left] = layer.attributes.padding;
      const gridOf = (channels: number) => ({ images: 1, channels, quads: Math.ceil(channels / 4), pixels });
      const x = builder.interleaved(inputs.x);
      const tiles = builder.emit(`${node}, tiles`, inputTransform, [x], [positions * pixels, c], {
        params: { h, w, top, left, tilesH, tilesW },
        grid: gridOf(c),
      });
      const request = { node: `${node}, products`, layer: products, inputs: { x: tiles, weight } };
      const sums = emitProduct(builder, product, request, { positions });
      const [bias, residual] = addends(builder, inputs, sums);
      return builder.emit(node, outputTransform, [sums, bias, residual], layer.y, {
        params: { oh, ow, tilesH, tilesW, ...epilogueOf(layer) },
        grid: gridOf(o),
      });
    },
    trial: trialOf({ ...product.trial, stride: 1, size: 20 }),
  };
}

function tilesOf({ outputs }: Winograd, { y: [n, , oh, ow] }: Layer) {
  const [tilesH, tilesW] = [Math.ceil(oh / outputs), Math.ceil(ow / outputs)];
  return { tilesH, tilesW, total: n * tilesH * tilesW };
}

/** The matrix product of a position, as a 1 × 1 convolution. The tiles of all images are its pixels. */
function productsOf(transforms: Winograd, layer: Layer): Layer {
  const [o, c] = layer.weight;
  const { total } = tilesOf(transforms, layer);
  const attributes = { ...layer.attributes, padding: [0, 0, 0, 0] as const, relu: false };
  const bare = { hasBias: false, hasResidual: false, attributes };
  return { x: [1, c, 1, total], weight: [o, c, 1, 1], y: [1, o, 1, total], ...bare };
}

/** Both transforms load each number and store it once. */
function transformCost(transforms: Winograd, layer: Layer, cost: Cost): number {
  const { inputs, outputs } = transforms;
  const [to, from] = layer.weight;
  const { load, store, fma, lanes } = cost;
  const [whole, end] = [inputs * inputs, outputs * outputs];
  const sums = 4 * (2 * inputs * whole * fma); // four channels of a tile, along both axes
  const input = whole * (load + store) + sums;
  const output = whole * load + end * (store + load) + sums;
  const { total } = tilesOf(transforms, layer);
  const subgroups = (channels: number) => ((total / lanes) * channels) / 4;
  return costOf(subgroups(from), input, cost) + costOf(subgroups(to), output, cost);
}

/** A row of a matrix times a vector of WGSL variables; products with 1 are left out. */
function sumOf(row: readonly number[], variable: (k: number) => string): string {
  const terms = row.flatMap((factor, k) => {
    if (factor === 0) return [];
    const size = Math.abs(factor);
    const literal = Number.isInteger(size) ? `${size}.0` : `${size}`;
    return [`${factor < 0 ? "-" : "+"} ${size === 1 ? "" : `${literal} * `}${variable(k)}`];
  });
  return terms.join(" ").replace(/^\+ /, "");
}

/**
 * Transforms x to [positions][channels / 4][tiles][4], with the tiles of all images in a row. An invocation takes four
 * channels of a tile.
 */
function inputTransform(name: string, matrix: readonly (readonly number[])[]): KernelIn {
  const side = matrix.length;
  return plain({
    name: `${name} input`,
    operands: ["x", "y"],
    params: ["h", "w", "tilesH", "tilesW", "top", "left"],
    code: /* wgsl */ `
  let image = quotient(pixel, p.tilesW * p.tilesH); let tile = pixel - image * p.tilesW * p.tilesH;
  let down = quotient(tile, p.tilesW);
  let column = (tile - down * p.tilesW) * ${side - 2}u - p.left; let row = down * ${side - 2}u - p.top;
  let seen = (image * p.planes + plane) * p.h; let step = p.planes * p.pixels;
${lines(side, (k) => `  let in${k} = row + ${k}u < p.h; let from${k} = select(${OUTSIDE}u, (seen + row + ${k}u) * p.w, in${k});`)}
${lines(
  side,
  (j) => `  let known${j} = column + ${j}u < p.w; let q${j} = select(${OUTSIDE}u, column + ${j}u, known${j});
${lines(side, (k) => `  let d${k}_${j} = select(vec4f(), x(from${k} + q${j}), in${k} && known${j});`)}
${lines(side, (i) => `  let h${i}_${j} = ${sumOf(matrix[i]!, (k) => `d${k}_${j}`)};`)}`,
)}
${lines(side, (r) => lines(side, (j) => `  put(${r * side + j}u * step + i, ${sumOf(matrix[j]!, (k) => `h${r}_${k}`)});`))}`,
  });
}

/**
 * Transforms the products to y, with bias, residual and ReLU. Each condition is tested once for all outputs of a tile,
 * and each index computed once.
 */
function outputTransform(name: string, matrix: readonly (readonly number[])[]): KernelIn {
  const [outputs, side] = [matrix.length, matrix[0]!.length];
  const each = (text: (r: number, c: number) => string) => lines(outputs, (r) => lines(outputs, (c) => text(r, c)));
  return plain({
    name: `${name} output`,
    operands: ["x", "bias", "residual", "y"],
    params: ["oh", "ow", "tilesH", "tilesW", ...epilogueParams],
    code: /* wgsl */ `
  let image = quotient(pixel, p.tilesW * p.tilesH); let tile = pixel - image * p.tilesW * p.tilesH;
  let down = quotient(tile, p.tilesW);
  let column = (tile - down * p.tilesW) * ${outputs}u; let row = down * ${outputs}u;
  let made = (image * p.planes + plane) * p.oh; let step = p.planes * p.pixels;
${lines(
  side,
  (j) => `${lines(side, (k) => `  let d${k}_${j} = x(${k * side + j}u * step + i);`)}
${lines(outputs, (r) => `  let h${r}_${j} = ${sumOf(matrix[r]!, (k) => `d${k}_${j}`)};`)}`,
)}
${each((r, c) => `  var y${r}_${c} = ${sumOf(matrix[c]!, (k) => `h${r}_${k}`)};`)}
${lines(outputs, (r) => `  let row${r} = select(${OUTSIDE}u, (made + row + ${r}u) * p.ow, row + ${r}u < p.oh);`)}
${lines(outputs, (c) => `  let column${c} = select(${OUTSIDE}u, column + ${c}u, column + ${c}u < p.ow);`)}
  if (p.hasBias == 1u) {
    let b = bias(plane);
${each((r, c) => `    y${r}_${c} += b;`)}
  }
  if (p.hasResidual == 1u) {
${each((r, c) => `    y${r}_${c} += residual(row${r} + column${c});`)}
  }
  if (p.relu == 1u) {
${each((r, c) => `    y${r}_${c} = rectified(y${r}_${c});`)}
  }
${each((r, c) => `  putInside(row${r} + column${c}, y${r}_${c});`)}`,
  });
}

/**
 * Packs weights [O, C, 3, 3] in the host's order as G·g·Gᵀ: a matrix [O, C] for each position, in a product's order.
 * Computes in float32. An invocation writes four numbers of each position, as in `repack`.
 */
function weightTransform(name: string, matrix: readonly (readonly number[])[]): KernelIn {
  const side = matrix.length;
  return plain({
    name: `${name} weights`,
    host: ["x"],
    operands: ["x", "y"],
    numbers: ["x"],
    params: ["outputs", "inputs", "block", "together", "blockFours", "channelFours", "positionFours", ...weightParams],
    functions: weightStart,
    code: /* wgsl */ `
  let firstOutput = pixel * 4u / p.together; let firstInput = plane * p.together;
  var g: array<vec4f, 9>;
${lines(
  4,
  (k) => `  {
    let o = firstOutput + select(${k}u, 0u, p.together == 4u); let c = firstInput + select(0u, ${k}u, p.together == 4u);
    if (o < p.outputs && c < p.inputs) {
      let start = weightStart(o, c);
${lines(9, (tap) => `      g[${tap}][${k}] = x(start + ${Math.floor(tap / 3)}u * p.downStep + ${tap % 3}u * p.rightStep);`)}
    }
  }`,
)}
  let block = quotient(firstOutput, p.block);
  let start = block * p.blockFours + (firstOutput - block * p.block) * p.together / 4u + plane * p.channelFours;
${lines(side, (r) => lines(3, (s) => `  let h${r}_${s} = ${sumOf(matrix[r]!, (k) => `g[${3 * k + s}]`)};`))}
${lines(side, (r) => lines(side, (s) => `  put(${r * side + s}u * p.positionFours + start, ${sumOf(matrix[s]!, (k) => `h${r}_${k}`)});`))}`,
  });
}

/**
 * Packs each 3 × 3 kernel g as G·g·Gᵀ: a matrix [O, C] for each position, in a product's order. The host computes in
 * float64 and rounds once.
 */
export function forWinograd(
  { name, kernelMatrix, inputs: side, weightTransform }: Winograd,
  shape: readonly number[],
  order: WeightOrder,
): Packing {
  const [o, c] = four(shape);
  const { block, blockLength, together } = order;
  const positions = side * side;
  const length = positions * Math.ceil(o / block) * blockLength;
  const hasGaps = length > positions * o * c;
  const g = kernelMatrix.flat();
  const half = new Float64Array(side * 3);
  const write: Packing["write"] = (data, to) => {
    const plane = to.length / positions;
    if (hasGaps) to.fill(0);
    for (let out = 0, from = 0; from < data.length; out++) {
      const start = Math.floor(out / block) * blockLength + (out % block) * together;
      for (let k = 0; k < c; k++, from += 9) {
        for (let r = 0; r < 3 * side; r += 3) {
          for (let s = 0; s < 3; s++) {
            const at = from + s;
            half[r + s] = g[r]! * data[at]! + g[r + 1]! * data[at + 3]! + g[r + 2]! * data[at + 6]!;
          }
        }
        let into = start + Math.floor(k / together) * order.channels + (k % together);
        for (let r = 0; r < 3 * side; r += 3) {
          for (let s = 0; s < 3 * side; s += 3, into += plane) {
            to[into] = g[s]! * half[r]! + g[s + 1]! * half[r + 1]! + g[s + 2]! * half[r + 2]!;
          }
        }
      }
    }
  };
  const params = {
    outputs: o,
    inputs: c,
    block,
    together,
    blockFours: blockLength / 4,
    channelFours: order.channels / 4,
    positionFours: length / positions / 4,
  };
  const onDevice = { kernel: weightTransform, params, grid: repackGrid((Math.ceil(c / 4) * 4) / together, o, order) };
  return { name: `${name} ${order.name}`, length, block, planes: positions, write, onDevice };
}
