import { defineOp, noAttributes, type Op } from "../ir/define-op.ts";
import { broadcastIndices, checkBroadcast } from "./shared/broadcast.ts";

/**
 * The quotient a / b, element by element; b is repeated along axes where its size is 1.
 *
 *   a, b  ->  the shape of a
 * C1  b is a scalar, or has the rank of a and on each axis the size 1 or the size of a.
 * Source: PyTorch div and ONNX Div, where b broadcasts to a.
 */
export const divide: Op<"divide", "a" | "b"> = defineOp({
  name: "divide",
  inputs: { a: "data", b: "data" },
  ...noAttributes,
  shape({ a, b }) {
    checkBroadcast(b, a, "divide.C1", "b");
    return a;
  },
  evaluate({ a, b }, _, shape) {
    const at = broadcastIndices(b.shape, shape);
    return a.data.map((value, i) => value / b.data[at(i)]!);
  },
});
