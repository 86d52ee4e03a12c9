import { flat, type KernelIn, plain } from "./kernel.ts";

const masked = "select(dy(i), vec4f(), isNotPositive(y(i)))";

export const reluGradient: KernelIn = plain({
  name: "reluGradient",
  operands: ["y", "dy", "dx"],
  params: [],
  code: `  put(i, ${masked});`,
});

export const reluGradientRow: KernelIn = flat({
  name: "reluGradient, of rows",
  operands: ["y", "dy", "dx"],
  params: [],
  code: `  put(i, ${masked});`,
});

const windowed = ["h", "w", "ow", "windowH", "windowW", "down", "right", "top", "left"];

/** The tap of each window that holds its maximum, in a tie the first; NaN counts as the maximum. */
export const maxPool2dWinners: KernelIn = plain({
  name: "maxPool2d, winners",
  operands: ["x", "y"],
  alwaysFloat32: ["y"],
  params: windowed,
  code: /* wgsl */ `
  let row = quotient(pixel, p.ow); let column = pixel - row * p.ow;
  var best = vec4f(); var winner = vec4f(-1.0);
  for (var a = 0u; a < p.windowH; a++) {
    let at = row * p.down + a - p.top; // wraps above the image
    if (at >= p.h) { continue; }
    for (var b = 0u; b < p.windowW; b++) {
      let q = column * p.right + b - p.left;
      if (q >= p.w) { continue; }
      let seen = x((plane * p.h + at) * p.w + q);
      let wins = (winner < vec4f()) | (seen > best) | (isNan(seen) & !isNan(best));
      best = select(best, seen, wins);
      winner = select(winner, vec4f(f32(a * p.windowW + b)), wins);
    }
  }
  put(i, winner);`,
});

/** Each pixel of x sums the gradients of the windows that it wins, in row order. */
export const maxPool2dGradient: KernelIn = plain({
  name: "maxPool2dGradient",
  operands: ["winners", "dy", "dx"],
  alwaysFloat32: ["winners"],
  params: ["w", "oh", "ow", "windowH", "windowW", "down", "right", "top", "left"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.w); let h = row + p.top; let w = pixel - row * p.w + p.left;
  let firstRow = select(0u, (h - p.windowH) / p.down + 1u, h >= p.windowH);
  let firstColumn = select(0u, (w - p.windowW) / p.right + 1u, w >= p.windowW);
  var sum = vec4f();
  for (var r = firstRow; r <= min(h / p.down, p.oh - 1u); r++) {
    for (var c = firstColumn; c <= min(w / p.right, p.ow - 1u); c++) {
      let at = (plane * p.oh + r) * p.ow + c;
      let tap = vec4f(f32((h - r * p.down) * p.windowW + w - c * p.right));
      sum += select(vec4f(), dy(at), winners(at) == tap);
    }
  }
  put(i, sum);`,
});

/** Drops the channels before `before` and after the output's. */
export const sliceChannels: KernelIn = plain({
  name: "sliceChannels",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "channels", "xQuads", "before"],
  code: /* wgsl */ `
  var whole = vec4f();
  let first = plane % p.quads * 4u;
  for (var part = 0u; part < min(4u, p.channels - first); part++) {
    let source = first + part + p.before;
    whole[part] = x(((plane / p.quads * p.xQuads + source / 4u) * p.pixels + pixel) * 4u + source % 4u);
  }
  put(i, whole);`,
});
