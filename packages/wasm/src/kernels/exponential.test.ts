import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f64, i32, type Local } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import { ModuleBuilder } from "../encode/module.ts";
import { instance, memoryOf } from "../testing/engine.ts";
import { exponential, logarithm } from "./exponential.ts";

/** A function of one float64, made once. */
function functionOf(make: (body: Body, x: Local<"f64">) => Local<"f64">): (x: number) => number {
  const module = new ModuleBuilder({ instructions: "mul and add", isShared: false });
  const run = module.function([], (body) => body.store(i32.const(8), make(body, body.let(f64.load(i32.const(0))))));
  module.export("run", run);
  const memory = memoryOf(16);
  const { run: call } = instance(module.encode(), memory);
  const numbers = new Float64Array(memory.buffer, 0, 2);
  return (x) => {
    numbers[0] = x;
    call!();
    return numbers[1]!;
  };
}

const exp = functionOf(exponential);
const log = functionOf(logarithm);

/** Far below float32's last place, 2⁻²⁴: an answer is rounded as if it were exact. */
const EXACT = 2 ** -50;

describe("exponential", () => {
  it("is eˣ wherever float32 has an answer", () => {
    fc.assert(
      fc.property(fc.double({ min: -150, max: 150, noNaN: true }), (x) => {
        expect(Math.abs(exp(x) - Math.exp(x))).toBeLessThanOrEqual(EXACT * Math.exp(x));
      }),
      { numRuns: 20_000 },
    );
  });

  it("is right next to every half of ln 2, where the power of 2 changes", () => {
    for (let n = -216; n <= 216; n++) {
      for (const step of [-1e-9, -1e-16, 0, 1e-16, 1e-9]) {
        const x = (n / 2) * Math.LN2 * (1 + step);
        expect(Math.abs(exp(x) - Math.exp(x)), `e^${x}`).toBeLessThanOrEqual(EXACT * Math.exp(x));
      }
    }
  });

  it.each([
    [0, 1],
    [-0, 1],
    [Number.NaN, Number.NaN],
    [2 ** -1074, 1],
  ])("of %d is %d", (x, y) => expect(exp(x)).toBe(y));

  it("of what is too large or small for float32 is ∞ or 0 there", () => {
    for (const x of [151, 1e6, 1e300, Infinity])
      expect([Math.fround(exp(x)), Math.fround(exp(-x))]).toEqual([Infinity, 0]);
  });
});

describe("logarithm", () => {
  it("is ln x from 1 to 2³¹", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 2 ** 31, noNaN: true }), (x) => {
        expect(Math.abs(log(x) - Math.log(x))).toBeLessThanOrEqual(EXACT * Math.max(1, Math.log(x)));
      }),
      { numRuns: 20_000 },
    );
  });

  it("is right next to powers of 2, and just above 1", () => {
    for (let n = 0; n <= 31; n++) {
      for (const step of [0, 2 ** -52, 2 ** -30, 0.5, 0.999]) {
        const x = 2 ** n * (1 + step);
        expect(Math.abs(log(x) - Math.log(x)), `ln ${x}`).toBeLessThanOrEqual(EXACT * Math.max(1, Math.log(x)));
      }
    }
  });

  it("of NaN is NaN", () => expect(log(Number.NaN)).toBe(Number.NaN));
});
