import { type Kernel, plain } from "./kernel.ts";

/**
 * relu(conv2d(x, weight) + bias + residual), one output an invocation: KH·KW·C/groups multiply-adds, each with two loads.
 * On software adapters loads set its speed, 27 cycles each against 0.75 of a multiply-add: some 0.6 GFLOP/s a core. It is
 * what faster kernels are checked against, and serves the linear layer as a convolution of one pixel.
 */
export const conv2d: Kernel = plain({
  name: "conv2d",
  buffers: ["x", "weight", "bias", "residual", "y"],
  // biome-ignore format: what belongs together in a line
  params: [
    "c", "h", "w", "o", "oh", "ow", "kh", "kw", "down", "right", "top", "left", "dilationH", "dilationW",
    "perGroup", "outputsPerGroup", "hasBias", "hasResidual", "relu",
  ],
  code: /* wgsl */ `
  let column = i % p.ow; let row = (i / p.ow) % p.oh;
  let out = (i / (p.ow * p.oh)) % p.o; let image = i / (p.ow * p.oh * p.o);
  let first = out / p.outputsPerGroup * p.perGroup;
  var sum = 0.0;
  if (p.hasBias == 1u) { sum = bias[out]; }
  for (var k = 0u; k < p.perGroup; k++) {
    let plane = (image * p.c + first + k) * p.h;
    let kernel = (out * p.perGroup + k) * p.kh;
    for (var a = 0u; a < p.kh; a++) {
      let at = row * p.down + a * p.dilationH - p.top; // above the image it wraps, and is no row
      if (at >= p.h) { continue; }
      for (var b = 0u; b < p.kw; b++) {
        let q = column * p.right + b * p.dilationW - p.left;
        if (q < p.w) { sum += x[(plane + at) * p.w + q] * weight[(kernel + a) * p.kw + b]; }
      }
    }
  }
  if (p.hasResidual == 1u) { sum += residual[i]; }
  y[i] = select(sum, 0.0, p.relu == 1u && isNegative(sum));`,
});
