import { defineOp, noAttributes, type Op, rank4 } from "../ir/define-op.ts";
import { check } from "../ir/errors.ts";
import { formatShape } from "../ir/value.ts";

/**
 * Each channel of x times its gate.
 *
 *   x [N, C, H, W], gate [N, C, 1, 1]  ->  [N, C, H, W]
 * C1  x has rank 4.
 * C2  gate is [N, C, 1, 1].
 * Source: Hu et al. 2018, equation 4.
 */
export const multiply: Op<"multiply", "x" | "gate"> = defineOp({
  name: "multiply",
  inputs: { x: "data", gate: "data" },
  attributes: noAttributes,
  shape({ x, gate }) {
    const [n, c] = rank4(x, "multiply.C1");
    const fits = gate.join() === [n, c, 1, 1].join();
    check(fits, "multiply.C2", `gate is ${formatShape(gate)}, expected ${formatShape([n, c, 1, 1])}`);
    return x;
  },
  evaluate({ x, gate }) {
    const pixels = x.data.length / gate.data.length;
    const y = new Float64Array(x.data.length);
    for (let plane = 0, i = 0; plane < gate.data.length; plane++) {
      const factor = gate.data[plane]!;
      for (const end = i + pixels; i < end; i++) y[i] = x.data[i]! * factor;
    }
    return y;
  },
});
