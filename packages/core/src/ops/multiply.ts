import { defineOp, dims4, noAttributes, type Op, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";
import { sumTo } from "./shared/sum-to.ts";
import { times } from "./times.ts";

/**
 * x times a gate for each channel, or times a gate for each element.
 *
 *   x [N, C, H, W], gate [N, C, 1, 1] or [N, C, H, W]  ->  [N, C, H, W]
 * C1  x has rank 4.
 * C2  gate is [N, C, 1, 1] or has the shape of x.
 * Source: Hu et al. 2018, equation 4; two cases of broadcasting in PyTorch mul and ONNX Mul.
 */
export const multiply: Op<"multiply", "x" | "gate"> = defineOp({
  name: "multiply",
  inputs: { x: "data", gate: "data" },
  ...noAttributes,
  shape({ x, gate }) {
    const [n, c] = rank4(x, "multiply.C1");
    const fits = gate.join() === [n, c, 1, 1].join() || gate.join() === x.join();
    const expected = `${formatShape([n, c, 1, 1])} or ${formatShape(x)}`;
    check(fits, "multiply.C2", `gate is ${formatShape(gate)}, expected ${expected}`);
    return x;
  },
  evaluate({ x, gate }, _, shape) {
    const [n, c, h, w] = dims4(shape);
    const pixels = gate.data.length === n * c ? h * w : 1; // pixels that share a gate
    return x.data.map((value, i) => value * gate.data[Math.floor(i / pixels)]!);
  },
  gradient({ inputs: { x, gate } }, dy) {
    return { x: multiply({ x: dy, gate }), gate: sumTo(times({ a: dy, b: x }), gate.shape) };
  },
});
