import { type KernelIn, OUTSIDE, plain } from "./kernel.ts";

/**
 * An image of every second pixel of four others, or of two: pixel (row, column) comes from image (row % down, column %
 * right). `has` has a bit for each of the four; the others are zeros. An invocation writes a pixel of each.
 */
export const interleave: KernelIn = plain({
  name: "interleave",
  operands: ["x00", "x01", "x10", "x11", "y"],
  params: ["h", "w", "down", "right", "blocks", "has"],
  code: /* wgsl */ `
  let row = quotient(pixel, p.blocks); let column = pixel - row * p.blocks;
  let start = plane * p.h * p.w;
${[0, 1, 2, 3]
  .map((phase) => {
    const [down, right] = [phase >> 1, phase & 1];
    return `  {
    let r = row * p.down + ${down}u; let c = column * p.right + ${right}u;
    let known = ${down}u < p.down && ${right}u < p.right && r < p.h && c < p.w;
    let rows = (p.h + p.down - 1u - ${down}u) / p.down; let columns = (p.w + p.right - 1u - ${right}u) / p.right;
    let at = (plane * rows + row) * columns + column;
    let seen = (p.has & ${1 << phase}u) != 0u && known;
    putInside(select(${OUTSIDE}u, start + r * p.w + c, known), select(vec4f(), x${down}${right}(select(0u, at, seen)), seen));
  }`;
  })
  .join("\n")}`,
});
