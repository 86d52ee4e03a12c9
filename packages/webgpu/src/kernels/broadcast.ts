import { flat, type KernelIn, plain } from "./kernel.ts";

/**
 * Params of a smaller operand in the device's order: the steps to its next image, quad, row and column, 0 to repeat.
 */
const broadcastParams = ["quads", "channels", "ow", "imageStep", "quadStep", "rowStep", "columnStep", "isSingle"];

/** `four` becomes the vec4 of the smaller operand b. `isSingle` is 1 for one channel, which all lanes get. */
const smaller = /* wgsl */ `
  let image = quotient(plane, p.quads); let quad = plane - image * p.quads;
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow;
  var four = b(image * p.imageStep + quad * p.quadStep + row * p.rowStep + column * p.columnStep);
  if (p.isSingle == 1u) { four = vec4f(four.x); }`;

export const timesSmaller: KernelIn = plain({
  name: "times, broadcast",
  operands: ["a", "b", "y"],
  params: broadcastParams,
  code: `${smaller}
  put(i, zeroPadded(a(i) * four, quad, p.channels)); // 0 times an infinite scalar is no zero`,
});

export const divideBySmaller: KernelIn = plain({
  name: "divide, broadcast",
  operands: ["a", "b", "y"],
  params: broadcastParams,
  code: `${smaller}
  put(i, zeroPadded(a(i) / four, quad, p.channels));`,
});

export const expand: KernelIn = plain({
  name: "expand",
  operands: ["b", "y"],
  params: broadcastParams,
  code: `${smaller}
  put(i, zeroPadded(four, quad, p.channels));`,
});

/** One axis of a tensor in the host's order repeated: [outer][1][inner] becomes [outer][count][inner]. */
export const expandRow: KernelIn = flat({
  name: "expand a row",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["count", "inner"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = i * 4u + part;
    whole[part] = x(at / (p.count * p.inner) * p.inner + at % p.inner);
  }
  put(i, whole);`,
});

export const timesRow: KernelIn = flat({
  name: "times, of rows",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) * b(i));",
});

export const divideRow: KernelIn = flat({
  name: "divide, of rows",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) / b(i));",
});

export const timesScalar: KernelIn = flat({
  name: "times, a row and a scalar",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) * b(0u).x);",
});

export const divideByScalar: KernelIn = flat({
  name: "divide, a row and a scalar",
  operands: ["a", "b", "y"],
  params: [],
  code: "  put(i, a(i) / b(0u).x);",
});
