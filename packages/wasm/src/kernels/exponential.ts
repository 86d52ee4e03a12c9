import { type F64, f64, type Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";

/**
 * ln 2 in two parts, more exact than one float64. The first ends in zeros, so that its products with small integers are
 * exact. Source: FreeBSD's e_exp.c.
 */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** Coefficients of eʳ, 1 / k!, highest power first. For |r| ≤ ln 2 / 2 the first omitted term is below 2⁻⁵⁶. */
const INVERSE_FACTORIALS = Array.from({ length: 14 }, (_, k) => {
  let factorial = 1;
  for (let each = 2; each <= k; each++) factorial *= each;
  return 1 / factorial;
}).reverse();

/**
 * eˣ in float64: x = n·ln 2 + r, and eˣ = 2ⁿ·eʳ by Taylor's series. The error is a few units of float64's last place. x
 * is limited to ±150, since float32 rounds e⁻¹⁵⁰ to 0 and e¹⁵⁰ to ∞. NaN stays NaN.
 */
export function exponential(body: Body, of: F64): Local<"f64"> {
  const x = body.let(f64.max(f64.min(of, f64.const(150)), f64.const(-150)));
  const n = body.let(f64.nearest(f64.mul(x, f64.const(Math.LOG2E))));
  const r = body.let(f64.sub(f64.sub(x, f64.mul(n, f64.const(LN2_HIGH))), f64.mul(n, f64.const(LN2_LOW))));
  const [last, ...others] = INVERSE_FACTORIALS;
  const sum = body.let(f64.const(last!));
  for (const term of others) body.set(sum, f64.add(f64.const(term), f64.mul(sum, r)));
  return body.let(f64.mul(sum, f64.powerOf2(f64.truncate(n))));
}

/** Newton's steps: the first guess has an error below 0.09, and each step squares it. */
const STEPS = 4;

/** ln x in float64 for x from 1 to 2³¹: y + (x·e⁻ʸ − 1), repeated. NaN stays NaN. */
export function logarithm(body: Body, x: Local<"f64">): Local<"f64"> {
  const exponent = body.let(f64.exponent(x));
  // f exceeds ln (1 + f) by at most 0.31.
  const fraction = f64.sub(f64.div(x, f64.powerOf2(exponent)), f64.const(1));
  const y = body.let(
    f64.add(f64.mul(f64.convertI32(exponent), f64.const(Math.LN2)), f64.mul(fraction, f64.const(Math.LN2))),
  );
  for (let step = 0; step < STEPS; step++) {
    const inverse = exponential(body, f64.sub(f64.const(0), y));
    body.set(y, f64.sub(f64.add(y, f64.mul(x, inverse)), f64.const(1)));
  }
  return y;
}
