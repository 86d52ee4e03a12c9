import type { Request } from "../request.ts";
import { binary, clamp, leakyRelu, unary } from "./elementwise.ts";
import { batchNorm, conv2d, pool, softmax } from "./images.ts";
import { gemm, matmul } from "./matrices.ts";
import { concat, pad, reshape, slice, transpose } from "./movement.ts";
import { reduce } from "./reduce.ts";
import type { Leaf, Translation } from "./translation.ts";

/** One for each kind of request; a new kind does not compile without its own. */
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
 * A request as a graph of our ops, or why there is none.
 *
 * Several ops may stand for one operator where that is an identity for all real numbers. Numbers may be permuted, seen
 * under another shape, or repeated before they go in, and never selected by products with ones and zeros: that would
 * hold a matrix product, and not what the vector is about.
 */
export function translate(request: Request, leaf: Leaf): Translation {
  const translation = translations[request.kind] as (request: Request, leaf: Leaf) => Translation;
  return translation(request, leaf);
}
