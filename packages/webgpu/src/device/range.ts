import { constantsOf, firstNonFinite, type Graph, type Tensor, UnsupportedError } from "@residual/core";

/** The smallest number that float16 rounds to infinity. The largest float16 is 65,504. */
const BEYOND = 65_520;

const WAY_OUT = "leave float16 out, and it computes in float32";

/** Throws UnsupportedError if float16 rounds a finite number of a constant to infinity. */
export function checkConstant(name: string, numbers: Float32Array): void {
  const found = numbers.find((value) => Math.abs(value) >= BEYOND && Number.isFinite(value));
  if (found === undefined) return;
  throw new UnsupportedError(`webgpu: ${name} holds ${found}, float16 holds 65,504 at most; ${WAY_OUT}`);
}

/**
 * Throws UnsupportedError if results of a float16 run hold NaN although all inputs and constants are finite. Kernels
 * turn a number beyond float16's range into NaN, and the NaN reaches all results that depend on the number.
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
