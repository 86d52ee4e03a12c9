import { type Kernel, plain } from "./kernel.ts";

/** From the host's order, [N, C, pixels], to the device's. */
export const pack: Kernel = plain({
  name: "pack",
  buffers: ["x", "y"],
  elements: { x: "f32" },
  params: ["quads", "channels"],
  code: /* wgsl */ `
  var whole = vec4f();
  let first = plane % p.quads * 4u; let image = plane / p.quads;
  for (var part = 0u; part < min(4u, p.channels - first); part++) {
    whole[part] = x[(image * p.channels + first + part) * p.pixels + pixel];
  }
  y[i] = whole;`,
});

/**
 * From the host's order, with what a row of a convolution's kernel sees as channels of their own, [column of the kernel][channel]: KH × KW
 * taps of 3 channels, which fill three of a vec4, become KH × 1 taps of 3·KW. For the stem of ResNet, 7 × 7 of stride 2, these are 42
 * fours for an output instead of 49, and 7 taps instead of 49, which each take as long to find as two steps.
 */
export const packRows: Kernel = plain({
  name: "packRows",
  buffers: ["x", "y"],
  elements: { x: "f32" },
  params: ["quads", "c", "h", "w", "kw", "ow", "right", "left", "dilationW"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = (pixel - row * p.ow) * p.right - p.left;
  let image = quotient(plane, p.quads); let first = (plane - image * p.quads) * 4u;
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let tap = quotient(first + part, p.c);
    let q = column + tap * p.dilationW;
    if (tap < p.kw && q < p.w) { whole[part] = x[((image * p.c + first + part - tap * p.c) * p.h + row) * p.w + q]; }
  }
  y[i] = whole;`,
});

/** An image's numbers in one row, in the host's order. */
export const flatten: Kernel = plain({
  name: "flatten",
  buffers: ["x", "y"],
  elements: { x: "f32" },
  params: ["quads", "channels", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = plane % p.quads * 4u + part;
    let c = at / p.xPixels;
    if (at < p.channels) {
      whole[part] = x[((plane / p.quads * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u];
    }
  }
  y[i] = whole;`,
});

/** Back to the host's order. For this kernel the output is one row, of which each invocation writes four: the last one's may be no numbers. */
export const unpack: Kernel = plain({
  name: "unpack",
  buffers: ["x", "y"],
  elements: { x: "f32" },
  params: ["c", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = i * 4u + part;
    let c = at / p.xPixels % p.c;
    whole[part] = x[((at / (p.xPixels * p.c) * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u];
  }
  y[i] = whole;`,
});
