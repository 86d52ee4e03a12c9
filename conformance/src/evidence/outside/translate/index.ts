import type { Request } from "../request.ts";
import { binary, clamp, leakyRelu, unary } from "./elementwise.ts";
import { batchNorm, conv2d, pool, softmax } from "./images.ts";
import { gemm, matmul } from "./matrices.ts";
import { concat, pad, reshape, slice, transpose } from "./movement.ts";
import { reduce } from "./reduce.ts";
import type { Leaf, Translation } from "./translation.ts";

/** A translation for each kind of request. A new kind without a translation does not compile. */
const translations: {
  readonly [Kind in Request["kind"]]: (request: Extract<Request, { kind: Kind }>, leaf: Leaf) => Translation;
} = {
  batchNorm,
  binary,
  clamp,
  concat,
  conv2d,
  gemm,
  leakyRelu,
  matmul,
  pad,
  pool,
  reduce,
  reshape,
  slice,
  softmax,
  transpose,
  unary,
};

/**
 * A request as a graph of our ops, or the reason why no graph exists.
 *
 * Several ops may stand for one operator if the two are identical for all real numbers. Operands may be permuted,
 * reshaped or repeated. They are never selected by products with ones and zeros: the test would then check a matrix
 * product, not the operator.
 */
export function translate(request: Request, leaf: Leaf): Translation {
  const translation = translations[request.kind] as (request: Request, leaf: Leaf) => Translation;
  return translation(request, leaf);
}
