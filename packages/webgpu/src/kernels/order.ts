import { type KernelIn, plain } from "./kernel.ts";

/** From the host's order, [N, C, pixels], to the device's. */
export const pack: KernelIn = plain({
  name: "pack",
  host: ["x"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  var whole = vec4f();
  let first = plane % p.quads * 4u; let image = plane / p.quads;
  for (var part = 0u; part < min(4u, p.channels - first); part++) {
    whole[part] = x((image * p.channels + first + part) * p.pixels + pixel);
  }
  put(i, whole);`,
});

/** One of four, without a branch: a loop over them takes three times as long on lavapipe. */
const numberOf = (
  part: number,
) => `  let tap${part} = quotient(first + ${part}u, p.c); let q${part} = column + tap${part} * p.dilationW;
  let seen${part} = tap${part} < p.kw && q${part} < p.w;
  let from${part} = ((image * p.c + first + ${part}u - tap${part} * p.c) * p.h + row) * p.w + q${part};
  let v${part} = select(0.0, x(select(0u, from${part}, seen${part})), seen${part});`;

/**
 * From the host's order, with what a row of a convolution's kernel sees as channels of their own, [column of the
 * kernel][channel]: KH × KW taps of 3 channels, which fill three of a vec4, become KH × 1 taps of 3·KW. For the stem of
 * ResNet, 7 × 7 of stride 2, these are 42 fours for an output instead of 49, and 7 taps instead of 49, which each take
 * as long to find as two steps.
 */
export const packRows: KernelIn = plain({
  name: "packRows",
  host: ["x"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "c", "h", "w", "kw", "ow", "right", "left", "dilationW"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = (pixel - row * p.ow) * p.right - p.left;
  let image = quotient(plane, p.quads); let first = (plane - image * p.quads) * 4u;
${[0, 1, 2, 3].map(numberOf).join("\n")}
  put(i, vec4f(v0, v1, v2, v3));`,
});

/** An image's numbers in one row, in the host's order. */
export const flatten: KernelIn = plain({
  name: "flatten",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "channels", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = plane % p.quads * 4u + part;
    let c = at / p.xPixels;
    if (at < p.channels) {
      whole[part] = x(((plane / p.quads * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u);
    }
  }
  put(i, whole);`,
});

/**
 * Back to the host's order. For this kernel the output is one row, of which each invocation writes four: the last one's
 * may be no numbers.
 */
export const unpack: KernelIn = plain({
  name: "unpack",
  host: ["y"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["c", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = i * 4u + part;
    let c = at / p.xPixels % p.c;
    whole[part] = x(((at / (p.xPixels * p.c) * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u);
  }
  put(i, whole);`,
});
