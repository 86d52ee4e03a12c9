import { ending, type KernelIn, plain, seen } from "./kernel.ts";

/**
 * relu(conv2d(x, weight) + bias + residual), four outputs an invocation: KH·KW·C/groups multiply-adds for each, each
 * with two loads. On software adapters loads set its speed: some 0.6 GFLOP/s a core. It is what faster kernels are
 * checked against, and takes whatever they do not: weights that the graph works out itself, groups of any size.
 */
export const conv2d: KernelIn = plain({
  name: "conv2d",
  operands: ["x", "weight", "bias", "residual", "y"],
  numbers: ["x", "weight", "bias"],
  params: ["quads", "channels", "ow", ...seen, "perGroup", "weightQuads", "outputsPerGroup", ...ending],
  code: /* wgsl */ `
  let column = pixel % p.ow; let row = pixel / p.ow; let image = plane / p.quads; let quad = plane % p.quads;
  var sums = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let channel = quad * 4u + part;
    if (channel >= p.channels) { break; }
    let first = channel / p.outputsPerGroup * p.perGroup;
    var sum = 0.0;
    if (p.hasBias == 1u) { sum = bias(channel); }
    for (var a = 0u; a < p.kh; a++) {
      let at = row * p.down + a * p.dilationH - p.top; // above the image it wraps, and is no row
      if (at >= p.h) { continue; }
      for (var b = 0u; b < p.kw; b++) {
        let q = column * p.right + b * p.dilationW - p.left;
        if (q >= p.w) { continue; }
        for (var k = 0u; k < p.perGroup; k++) {
          let c = first + k;
          let here = (((image * p.xQuads + c / 4u) * p.h + at) * p.w + q) * 4u + c % 4u;
          let tap = (((channel * p.weightQuads + k / 4u) * p.kh + a) * p.kw + b) * 4u + k % 4u;
          sum += x(here) * weight(tap);
        }
      }
    }
    sums[part] = sum;
  }
  if (p.hasResidual == 1u) { sums += residual(i); }
  if (p.relu == 1u) { sums = rectified(sums); }
  put(i, sums);`,
});
