import { type KernelIn, plain } from "./kernel.ts";

/** The maximum of a window. Each invocation loads its whole window. */
export const maxPool2d: KernelIn = plain({
  name: "maxPool2d",
  operands: ["x", "y"],
  params: ["h", "w", "ow", "windowH", "windowW", "down", "right", "top", "left", "negativeInfinity"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow;
  var best = vec4f(bitcast<f32>(p.negativeInfinity)); // WGSL refuses −∞ in constant expressions
  var nan = vec4f(); // max of a NaN and a number may return either
  for (var a = 0u; a < p.windowH; a++) {
    let at = row * p.down + a - p.top;
    if (at >= p.h) { continue; }
    for (var b = 0u; b < p.windowW; b++) {
      let q = column * p.right + b - p.left;
      if (q >= p.w) { continue; }
      let seen = x((plane * p.h + at) * p.w + q);
      best = max(best, seen);
      nan = select(nan, seen, isNan(seen));
    }
  }
  put(i, select(best, nan, isNan(nan)));`,
});

/**
 * The mean of a window. A window may extend beyond the bottom and the right; its sum is divided by the number of pixels
 * inside.
 */
export const averagePool2d: KernelIn = plain({
  name: "averagePool2d",
  operands: ["x", "y"],
  params: ["h", "w", "ow", "windowH", "windowW", "down", "right"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow;
  let bottom = min(row * p.down + p.windowH, p.h); let end = min(column * p.right + p.windowW, p.w);
  var sum = vec4f();
  for (var a = row * p.down; a < bottom; a++) {
    for (var b = column * p.right; b < end; b++) { sum += x((plane * p.h + a) * p.w + b); }
  }
  put(i, sum / f32((bottom - row * p.down) * (end - column * p.right)));`,
});
