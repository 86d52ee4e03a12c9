import { type KernelIn, plain } from "./kernel.ts";

/** Params of both gradients: the size of dy, and the window. */
const convolutionParams = [
  "oh",
  "ow",
  "yQuads",
  "kw",
  "down",
  "right",
  "top",
  "left",
  "dilationH",
  "dilationW",
  "outputsPerGroup",
];

/**
 * The gradient of conv2d by x, four channels of a pixel per invocation: it gathers dy from the outputs that read the
 * pixel. Supports every layer; two loads for each multiply-add make it slow.
 */
export const conv2dInputGradient: KernelIn = plain({
  name: "conv2dInputGradient",
  operands: ["dy", "weight", "dx"],
  numbers: ["dy", "weight"],
  params: ["quads", "channels", "w", "kh", "perGroup", "weightQuads", ...convolutionParams],
  code: /* wgsl */ `
  let row = quotient(pixel, p.w); let column = pixel - row * p.w; let image = plane / p.quads; let quad = plane % p.quads;
  var sums = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let channel = quad * 4u + part;
    if (channel >= p.channels) { break; }
    let group = channel / p.perGroup; let c = channel - group * p.perGroup;
    var sum = 0.0;
    for (var a = 0u; a < p.kh; a++) {
      let h = row + p.top - a * p.dilationH; // wraps above the image
      let r = h / p.down;
      if (h % p.down != 0u || r >= p.oh) { continue; }
      for (var b = 0u; b < p.kw; b++) {
        let w = column + p.left - b * p.dilationW;
        let q = w / p.right;
        if (w % p.right != 0u || q >= p.ow) { continue; }
        for (var k = 0u; k < p.outputsPerGroup; k++) {
          let o = group * p.outputsPerGroup + k;
          let here = (((image * p.yQuads + o / 4u) * p.oh + r) * p.ow + q) * 4u + o % 4u;
          let tap = (((o * p.weightQuads + c / 4u) * p.kh + a) * p.kw + b) * 4u + c % 4u;
          sum += dy(here) * weight(tap);
        }
      }
    }
    sums[part] = sum;
  }
  put(i, sums);`,
});

/**
 * The gradient of conv2d by its weight, four channels at a tap per invocation. Sums of rows are added to the sum of
 * their image, and these to the whole. Supports every layer.
 */
export const conv2dWeightGradient: KernelIn = plain({
  name: "conv2dWeightGradient",
  operands: ["x", "dy", "dw"],
  numbers: ["x", "dy"],
  params: ["quads", "channels", "images", "h", "w", "xQuads", ...convolutionParams],
  code: /* wgsl */ `
  let o = plane / p.quads; let quad = plane % p.quads;
  let a = pixel / p.kw * p.dilationH - p.top; let b = pixel % p.kw * p.dilationW - p.left;
  let first = o / p.outputsPerGroup * p.channels + quad * 4u; let parts = min(4u, p.channels - quad * 4u);
  var whole = vec4f();
  for (var image = 0u; image < p.images; image++) {
    var ofImage = vec4f();
    for (var row = 0u; row < p.oh; row++) {
      let at = row * p.down + a; // wraps above the image
      if (at >= p.h) { continue; }
      var sum = vec4f();
      for (var column = 0u; column < p.ow; column++) {
        let q = column * p.right + b;
        if (q >= p.w) { continue; }
        let g = dy((((image * p.yQuads + o / 4u) * p.oh + row) * p.ow + column) * 4u + o % 4u);
        for (var part = 0u; part < parts; part++) {
          let c = first + part;
          sum[part] += g * x((((image * p.xQuads + c / 4u) * p.h + at) * p.w + q) * 4u + c % 4u);
        }
      }
      ofImage += sum;
    }
    whole += ofImage;
  }
  put(i, whole);`,
});
