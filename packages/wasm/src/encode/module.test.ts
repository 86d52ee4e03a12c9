import { describe, expect, it } from "vitest";
import { instance, isValid, memoryOf, runOnce } from "../testing/engine.ts";
import { type F32, f32, f64x2, type I32, i32, v128 } from "./expression.ts";
import type { Body } from "./function.ts";
import { ModuleBuilder, type Target } from "./module.ts";

const target: Target = { instructions: "mul and add", isShared: false };

/** A module whose function `run` has these statements. */
function moduleOf(define: (body: Body) => void, of = target): ModuleBuilder {
  const module = new ModuleBuilder(of);
  module.export("run", module.function([], define));
  return module;
}

/** The i32 that statements leave at address 0. */
function left(define: (body: Body) => void): number {
  return runOnce(moduleOf(define)).getInt32(0, true);
}

/** How often statements are done: each time adds to the number at address 0. */
function counted(define: (body: Body, count: () => void) => void): number {
  return left((body) => define(body, () => body.store(i32.const(0), i32.add(i32.load(i32.const(0)), i32.const(1)))));
}

describe("a module", () => {
  it("in bytes: one function of one parameter over an imported memory", () => {
    const module = new ModuleBuilder(target);
    module.export(
      "f",
      module.function(["p"], (body, { p }) => body.store(p, i32.const(7), 4)),
    );
    expect([...module.encode()]).toEqual(
      [
        [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // \0asm, version 1
        [1, 5, 1, 0x60, 1, 0x7f, 0], // types: (i32) -> ()
        [2, 16, 1, 4, 0x68, 0x6f, 0x73, 0x74, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 1], // host.memory
        [3, 2, 1, 0], // functions: the first type
        [7, 5, 1, 1, 0x66, 0, 0], // exports: f is function 0
        [10, 11, 1, 9, 0, 0x20, 0, 0x41, 7, 0x36, 0, 4, 0x0b], // code: no locals
      ].flat(),
    );
  });

  it.each([false, true])("is valid over a memory that is shared: %s", (isShared) => {
    const instructions = ["mul and add", "relaxed madd"] as const;
    for (const each of instructions) {
      const module = moduleOf(
        (body) => {
          const sum = body.let(v128.const(1));
          body.addProduct(sum, sum, sum);
          body.subtractProduct(sum, sum, sum);
          body.clear(i32.const(0), i32.const(8));
          body.copy(i32.const(0), i32.const(8), i32.const(8));
          body.storeLane(i32.const(0), sum, 3);
        },
        { instructions: each, isShared },
      );
      expect(isValid(module.encode())).toBe(true);
    }
  });

  it("has functions with parameters of several numbers, and calls them by name", () => {
    const module = new ModuleBuilder(target);
    const minus = module.function(["to", "a", "b"], (body, { to, a, b }) => body.store(to, i32.sub(a, b)));
    const two = module.function(["to"], (body, { to }) => body.call(minus, { b: i32.const(1), to, a: i32.const(3) }));
    module.export(
      "run",
      module.function([], (body) => body.call(two, { to: i32.const(0) })),
    );
    expect(runOnce(module).getInt32(0, true)).toBe(2);
  });

  it("takes a function of many locals of all types, each 0 before it is set", () => {
    const memory = runOnce(
      moduleOf((body) => {
        const pointers: I32[] = Array.from({ length: 300 }, () => body.local("i32"));
        const numbers: F32[] = Array.from({ length: 200 }, () => body.local("f32"));
        const [first, last] = [body.local("v128"), body.let(i32.const(5))];
        body.store(
          i32.const(0),
          pointers.reduce((a, b) => i32.add(a, b)),
        );
        body.store(
          i32.const(4),
          numbers.reduce((a, b) => f32.add(a, b)),
        );
        body.store(i32.const(16), first);
        body.store(i32.const(32), last);
      }),
    );
    expect(Array.from({ length: 9 }, (_, at) => memory.getInt32(4 * at, true))).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 5]);
  });
});

describe("statements", () => {
  it("are done as often as is said", () => {
    for (const count of [0, 1, 2, 7]) {
      expect(counted((body, once) => body.times(count, once))).toBe(count);
      expect(counted((body, once) => body.times(i32.const(count), once))).toBe(count);
    }
  });

  it("go over a range, which may be empty or turned round", () => {
    const sum = (first: number, end: number) =>
      left((body) =>
        body.range(i32.const(first), i32.const(end), (index) =>
          body.store(i32.const(0), i32.add(i32.load(i32.const(0)), index)),
        ),
      );
    expect([sum(3, 6), sum(-2, 1), sum(4, 4), sum(5, 2)]).toEqual([12, -3, 0, 0]);
  });

  it("nest", () => {
    expect(counted((body, once) => body.times(3, () => body.times(i32.const(4), () => body.times(2, once))))).toBe(24);
  });

  it("are done where a condition is not 0, others where it is", () => {
    const chosen = (condition: number) =>
      left((body) =>
        body.if(
          i32.const(condition),
          () => body.store(i32.const(0), i32.const(1)),
          () => body.store(i32.const(0), i32.const(2)),
        ),
      );
    expect([chosen(1), chosen(-8), chosen(0)]).toEqual([1, 1, 2]);
  });

  it("set several locals to one value", () => {
    const memory = runOnce(
      moduleOf((body) => {
        const locals = [body.local("i32"), body.local("i32"), body.local("i32")];
        body.setAll(locals, i32.const(9));
        for (const [at, each] of locals.entries()) body.store(i32.const(0), each, 4 * at);
      }),
    );
    expect([0, 4, 8].map((at) => memory.getInt32(at, true))).toEqual([9, 9, 9]);
  });

  it.each(["mul and add", "relaxed madd"] as const)("add and take off products by %s", (instructions) => {
    const define = (body: Body) => {
      const [sum, difference] = [body.let(v128.const(10)), body.let(v128.const(10))];
      body.addProduct(sum, v128.const(2), v128.const(3));
      body.subtractProduct(difference, v128.const(2), v128.const(3));
      body.store(i32.const(0), sum);
      body.storeLane(i32.const(16), difference, 2, 4);
    };
    const memory = runOnce(moduleOf(define, { instructions, isShared: false }));
    expect([0, 12, 16, 20, 24].map((at) => memory.getFloat32(at, true))).toEqual([16, 16, 0, 4, 0]);
  });

  it("store a pair of lanes, worked out in float64", () => {
    const memory = runOnce(
      moduleOf((body) => {
        const third = f64x2.mul(f64x2.promoteLow(v128.const(1)), f64x2.const(1 / 3));
        body.store(i32.const(0), v128.const(7));
        body.storePair(i32.const(0), f64x2.demote(f64x2.sub(f64x2.add(third, third), third)), 4);
      }),
    );
    expect([0, 4, 8, 12].map((at) => memory.getFloat32(at, true))).toEqual([
      7,
      ...[1, 1].map(() => Math.fround(1 / 3)),
      7,
    ]);
  });

  it("clear and copy bytes", () => {
    const memory = memoryOf(64);
    new Uint8Array(memory.buffer).fill(1, 0, 16);
    const module = moduleOf((body) => {
      body.clear(i32.const(2), i32.const(3));
      body.copy(i32.const(16), i32.const(4), i32.const(2));
    });
    instance(module.encode(), memory).run!();
    const bytes = [...new Uint8Array(memory.buffer, 0, 20)];
    expect(bytes).toEqual([1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0]);
  });

  it.each([-1, 4])("refuse lane %d of a vector", (lane) => {
    expect(() => moduleOf((body) => body.storeLane(i32.const(0), v128.const(0), lane))).toThrow(RangeError);
  });
});
