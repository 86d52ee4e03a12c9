import { constantsOf, firstNonFinite, type Graph, type Tensor, UnsupportedError } from "@residual/core";

/** What rounds to more than 65,504, the largest number of float16. */
const BEYOND = 65_520;

const WAY_OUT = "leave float16 out, and it computes in float32";

/** Throws UnsupportedError where float16 holds a finite number of a constant as infinity. */
export function checkConstant(name: string, numbers: Float32Array): void {
  const found = numbers.find((value) => Math.abs(value) >= BEYOND && Number.isFinite(value));
  if (found === undefined) return;
  throw new UnsupportedError(`webgpu: ${name} holds ${found}, float16 holds 65,504 at most; ${WAY_OUT}`);
}

/**
 * Throws UnsupportedError for NaN among the results of a run in float16 whose inputs and constants are finite. Kernels
 * make NaN of a number that passes float16's range, and it reaches all results that depend on the number.
 */
export function checkResults(
  graph: Graph,
  inputs: { readonly [name: string]: Tensor },
  results: { readonly [name: string]: Tensor<"float32"> },
): void {
  const [spoilt] = Object.entries(results).find(([, { data }]) => data.some(Number.isNaN)) ?? [];
  if (spoilt === undefined) return;
  if (!Object.values(inputs).every(({ data }) => data.every(Number.isFinite))) return;
  if (constantsOf(graph).some(({ source }) => firstNonFinite(source) >= 0)) return;
  const why = "a number on the way passed 65,504, the most that float16 holds";
  throw new UnsupportedError(`webgpu: ${spoilt} of ${graph.name} holds NaN in float16: ${why}; ${WAY_OUT}`);
}
