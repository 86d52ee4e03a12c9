import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instance, isValid, memoryOf, RuntimeError } from "../testing/engine.ts";
import { type Expression, f32, f64, f64x2, i32, stores, type ValueType, v128 } from "./expression.ts";
import { ModuleBuilder } from "./module.ts";

const target = { instructions: "relaxed madd", isShared: false } as const;

/** Operands without an instruction: their own bytes, to be found again. */
function mark<T extends ValueType>(type: T, byte: number): Expression<T> {
  return { type, code: [byte] };
}
const [p, q, r] = [mark("i32", 1), mark("i32", 2), mark("i32", 3)];
const [a, b] = [mark("f32", 1), mark("f32", 2)];
const [s, t] = [mark("f64", 1), mark("f64", 2)];
const [x, y, z] = [mark("v128", 1), mark("v128", 2), mark("v128", 3)];

/** Bytes by the tables of the Core Specification 2.0, section 5.4, and of the relaxed SIMD proposal. */
const instructions: { readonly [text: string]: readonly [Expression<ValueType>, readonly number[]] } = {
  "i32.const": [i32.const(-5), [0x41, 0x7b]],
  "f32.const": [f32.const(1.5), [0x43, 0, 0, 0xc0, 0x3f]],
  "f64.const": [f64.const(1.5), [0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]],
  "i32.load": [i32.load(p, 300), [1, 0x28, 0, 0xac, 0x02]],
  "f32.load": [f32.load(p, 4), [1, 0x2a, 0, 4]],
  "f64.load": [f64.load(p), [1, 0x2b, 0, 0]],
  "i32.eqz": [i32.eqz(p), [1, 0x45]],
  "i32.eq": [i32.eq(p, q), [1, 2, 0x46]],
  "i32.lt_s": [i32.ltS(p, q), [1, 2, 0x48]],
  "i32.lt_u": [i32.ltU(p, q), [1, 2, 0x49]],
  "i32.gt_s": [i32.gtS(p, q), [1, 2, 0x4a]],
  "f32.lt": [f32.lt(a, b), [1, 2, 0x5d]],
  "i32.add": [i32.add(p, q), [1, 2, 0x6a]],
  "i32.sub": [i32.sub(p, q), [1, 2, 0x6b]],
  "i32.mul": [i32.mul(p, q), [1, 2, 0x6c]],
  "i32.div_u": [i32.divU(p, q), [1, 2, 0x6e]],
  "i32.rem_u": [i32.remU(p, q), [1, 2, 0x70]],
  "i32.and": [i32.and(p, q), [1, 2, 0x71]],
  "i32.shl": [i32.shl(p, q), [1, 2, 0x74]],
  "i32.shr_s": [i32.shrS(p, q), [1, 2, 0x75]],
  "i32.shr_u": [i32.shrU(p, q), [1, 2, 0x76]],
  "select of i32": [i32.select(r, p, q), [1, 2, 3, 0x1b]],
  "select of f32": [f32.select(r, a, b), [1, 2, 3, 0x1b]],
  "f32.sqrt": [f32.sqrt(a), [1, 0x91]],
  "f32.add": [f32.add(a, b), [1, 2, 0x92]],
  "f32.sub": [f32.sub(a, b), [1, 2, 0x93]],
  "f32.mul": [f32.mul(a, b), [1, 2, 0x94]],
  "f32.div": [f32.div(a, b), [1, 2, 0x95]],
  "f32.min": [f32.min(a, b), [1, 2, 0x96]],
  "f32.max": [f32.max(a, b), [1, 2, 0x97]],
  "f64.nearest": [f64.nearest(s), [1, 0x9e]],
  "f64.sqrt": [f64.sqrt(s), [1, 0x9f]],
  "f64.add": [f64.add(s, t), [1, 2, 0xa0]],
  "f64.sub": [f64.sub(s, t), [1, 2, 0xa1]],
  "f64.mul": [f64.mul(s, t), [1, 2, 0xa2]],
  "f64.div": [f64.div(s, t), [1, 2, 0xa3]],
  "f64.min": [f64.min(s, t), [1, 2, 0xa4]],
  "f64.max": [f64.max(s, t), [1, 2, 0xa5]],
  "f32.convert_i32_s": [f32.convertI32(p), [1, 0xb2]],
  "f32.demote_f64": [f32.demoteF64(s), [1, 0xb6]],
  "f64.convert_i32_s": [f64.convertI32(p), [1, 0xb7]],
  "f64.promote_f32": [f64.promoteF32(a), [1, 0xbb]],
  "i32.trunc_sat_f64_s": [f64.truncate(s), [1, 0xfc, 2]],
  "v128.load": [v128.load(p, 16), [1, 0xfd, 0, 0, 16]],
  "v128.load32_splat": [v128.loadSplat(p), [1, 0xfd, 9, 0, 0]],
  "v128.load32_zero": [v128.loadZero(p), [1, 0xfd, 92, 0, 0]],
  "v128.load32_lane": [v128.loadLane(p, y, 3, 8), [1, 2, 0xfd, 86, 0, 8, 3]],
  "v128.const": [v128.const(1), [0xfd, 12, 0, 0, 128, 63, 0, 0, 128, 63, 0, 0, 128, 63, 0, 0, 128, 63]],
  "i8x16.shuffle": [
    v128.shuffle(x, y, [0, 4, 1, 7]),
    [1, 2, 0xfd, 13, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 28, 29, 30, 31],
  ],
  "f32x4.splat": [v128.splat(a), [1, 0xfd, 19]],
  "f32x4.extract_lane": [v128.lane(x, 3), [1, 0xfd, 31, 3]],
  "f32x4.replace_lane": [v128.withLane(x, 2, b), [1, 2, 0xfd, 32, 2]],
  "f32x4.add": [v128.add(x, y), [1, 2, 0xfd, 0xe4, 1]],
  "f32x4.sub": [v128.sub(x, y), [1, 2, 0xfd, 0xe5, 1]],
  "f32x4.mul": [v128.mul(x, y), [1, 2, 0xfd, 0xe6, 1]],
  "f32x4.div": [v128.div(x, y), [1, 2, 0xfd, 0xe7, 1]],
  "f32x4.sqrt": [v128.sqrt(x), [1, 0xfd, 0xe3, 1]],
  "f32x4.eq": [v128.eq(x, y), [1, 2, 0xfd, 65]],
  "f32x4.ne": [v128.ne(x, y), [1, 2, 0xfd, 66]],
  "f32x4.le": [v128.le(x, y), [1, 2, 0xfd, 69]],
  "v128.and": [v128.and(x, y), [1, 2, 0xfd, 78]],
  "v128.andnot": [v128.andNot(x, y), [1, 2, 0xfd, 79]],
  "v128.or": [v128.or(x, y), [1, 2, 0xfd, 80]],
  "f32x4.max": [v128.max(x, y), [1, 2, 0xfd, 0xe9, 1]],
  "f32x4.pmax": [v128.pmax(x, y), [1, 2, 0xfd, 0xeb, 1]],
  "v128.const of float64": [f64x2.const(1), [0xfd, 12, 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 240, 63]],
  "f64x2.add": [f64x2.add(x, y), [1, 2, 0xfd, 0xf0, 1]],
  "f64x2.sub": [f64x2.sub(x, y), [1, 2, 0xfd, 0xf1, 1]],
  "f64x2.mul": [f64x2.mul(x, y), [1, 2, 0xfd, 0xf2, 1]],
  "f64x2.promote_low_f32x4": [f64x2.promoteLow(x), [1, 0xfd, 95]],
  "f32x4.demote_f64x2_zero": [f64x2.demote(x), [1, 0xfd, 94]],
  "f32x4.relaxed_madd": [v128.relaxedMadd(x, y, z), [1, 2, 3, 0xfd, 0x85, 2]],
  "f32x4.relaxed_nmadd": [v128.relaxedNmadd(x, y, z), [1, 2, 3, 0xfd, 0x86, 2]],
};

describe("instructions", () => {
  it.each(Object.entries(instructions))("%s", (_, [{ code }, bytes]) => expect(code).toEqual(bytes));

  it("of which there are no others, but those made of several", () => {
    const made = ["plus", "times", "minS", "maxS", "powerOf2", "exponent"];
    const count = [i32, f32, f64, v128, f64x2]
      .flatMap((each) => Object.keys(each))
      .filter((key) => !made.includes(key));
    expect(count).toHaveLength(Object.keys(instructions).length);
  });

  it("store each type", () => {
    expect(stores).toEqual({ i32: [0x36], f32: [0x38], f64: [0x39], v128: [0xfd, 11] });
  });

  it("reach any address of 4 GiB, and refuse what lies beyond", () => {
    expect(v128.load(p, 2 ** 32 - 16).code).toEqual([1, 0xfd, 0, 0, 0xf0, 0xff, 0xff, 0xff, 0x0f]);
    expect(() => v128.load(p, 2 ** 32)).toThrow(RangeError);
    expect(() => v128.load(p, -16)).toThrow(RangeError);
    expect(() => i32.const(2 ** 32)).toThrow(RangeError);
  });

  it.each([-1, 4, 0.5])("refuse lane %d of a vector", (lane) => {
    expect(() => v128.lane(x, lane)).toThrow(RangeError);
    expect(() => v128.withLane(x, lane, a)).toThrow(RangeError);
    expect(() => v128.loadLane(p, x, lane)).toThrow(RangeError);
    expect(() => v128.shuffle(x, y, [0, 1, 2, lane === 4 ? 8 : lane])).toThrow(RangeError);
  });
});

/** An expression, and what JavaScript makes of it. A division by 0 throws in both. */
interface Tree<T extends ValueType, V> {
  readonly made: Expression<T>;
  readonly value: () => V;
}
type Four = readonly [number, number, number, number];

function lift<A, R, T extends ValueType, O extends ValueType>(
  make: (one: Expression<O>, other: Expression<O>) => Expression<T>,
  compute: (one: A, other: A) => R,
) {
  return ([one, other]: [Tree<O, A>, Tree<O, A>]): Tree<T, R> => ({
    made: make(one.made, other.made),
    value: () => compute(one.value(), other.value()),
  });
}
function lift1<A, R, T extends ValueType, O extends ValueType>(
  make: (operand: Expression<O>) => Expression<T>,
  compute: (operand: A) => R,
) {
  return (operand: Tree<O, A>): Tree<T, R> => ({ made: make(operand.made), value: () => compute(operand.value()) });
}
const lanes = (compute: (one: number, other: number) => number) => (one: Four, other: Four) =>
  four((lane) => Math.fround(compute(one[lane]!, other[lane]!)));
const four = (of: (lane: number) => number): Four => [of(0), of(1), of(2), of(3)];
const rounded = (compute: (one: number, other: number) => number) => (one: number, other: number) =>
  Math.fround(compute(one, other));
const divided = (one: number, other: number, of: (one: number, other: number) => number) => {
  if (other === 0) throw new RangeError("division by 0");
  return of(one >>> 0, other >>> 0) | 0;
};
/** To the nearest whole number, halves to the even one. */
function nearest(value: number): number {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 52 || value === 0) return value;
  const whole = Math.abs(value) + 2 ** 52 - 2 ** 52;
  return value < 0 ? -whole : whole;
}
/** The second where it is larger, and not where either is NaN, which `Math.max` would give. */
function larger(one: number, other: number): number {
  if (one < other) return other;
  return one;
}
const saturated = (value: number) =>
  Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1)) | 0;

const trees = fc.letrec<{
  i32: Tree<"i32", number>;
  f32: Tree<"f32", number>;
  f64: Tree<"f64", number>;
  v128: Tree<"v128", Four>;
}>((tie) => {
  const [i, f, d, v] = [tie("i32"), tie("f32"), tie("f64"), tie("v128")];
  const lane = fc.integer({ min: 0, max: 3 });
  const inAll = fc.integer({ min: 0, max: 7 });
  return {
    i32: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.integer().map((value) => ({ made: i32.const(value), value: () => value })),
      fc.tuple(i, i).map(lift(i32.add, (one, other) => (one + other) | 0)),
      fc.tuple(i, i).map(lift(i32.sub, (one, other) => (one - other) | 0)),
      fc.tuple(i, i).map(lift(i32.mul, Math.imul)),
      fc.tuple(i, i).map(lift(i32.divU, (one, other) => divided(one, other, (n, m) => n / m))),
      fc.tuple(i, i).map(lift(i32.remU, (one, other) => divided(one, other, (n, m) => n % m))),
      fc.tuple(i, i).map(lift(i32.and, (one, other) => one & other)),
      fc.tuple(i, i).map(lift(i32.shl, (one, other) => one << other)),
      fc.tuple(i, i).map(lift(i32.shrS, (one, other) => one >> other)),
      fc.tuple(i, i).map(lift(i32.shrU, (one, other) => (one >>> other) | 0)),
      fc.tuple(i, i).map(lift(i32.eq, (one, other) => Number(one === other))),
      fc.tuple(i, i).map(lift(i32.ltS, (one, other) => Number(one < other))),
      fc.tuple(i, i).map(lift(i32.ltU, (one, other) => Number(one >>> 0 < other >>> 0))),
      fc.tuple(i, i).map(lift(i32.gtS, (one, other) => Number(one > other))),
      fc.tuple(i, i).map(lift(i32.minS, (one, other) => Math.min(one, other))),
      fc.tuple(i, i).map(lift(i32.maxS, (one, other) => Math.max(one, other))),
      fc.tuple(f, f).map(lift(f32.lt, (one, other) => Number(one < other))),
      i.map(lift1(i32.eqz, (operand) => Number(operand === 0))),
      d.map(lift1(f64.truncate, saturated)),
      fc.tuple(i, fc.integer()).map(([{ made, value }, by]) => ({
        made: i32.plus(made, by),
        value: () => (value() + by) | 0,
      })),
      fc.tuple(i, i, i).map(([condition, one, other]) => ({
        made: i32.select(condition.made, one.made, other.made),
        value: () => [other.value(), one.value()][Number(condition.value() !== 0)]!, // both are worked out
      })),
    ),
    f32: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.float().map((value) => ({ made: f32.const(value), value: () => value })),
      fc.tuple(f, f).map(
        lift(
          f32.add,
          rounded((one, other) => one + other),
        ),
      ),
      fc.tuple(f, f).map(
        lift(
          f32.sub,
          rounded((one, other) => one - other),
        ),
      ),
      fc.tuple(f, f).map(
        lift(
          f32.mul,
          rounded((one, other) => one * other),
        ),
      ),
      fc.tuple(f, f).map(
        lift(
          f32.div,
          rounded((one, other) => one / other),
        ),
      ),
      fc.tuple(f, f).map(lift(f32.min, Math.min)),
      fc.tuple(f, f).map(lift(f32.max, Math.max)),
      f.map(lift1(f32.sqrt, (operand) => Math.fround(Math.sqrt(operand)))),
      i.map(lift1(f32.convertI32, Math.fround)),
      d.map(lift1(f32.demoteF64, Math.fround)),
      fc.tuple(i, f, f).map(([condition, one, other]) => ({
        made: f32.select(condition.made, one.made, other.made),
        value: () => [other.value(), one.value()][Number(condition.value() !== 0)]!,
      })),
      fc.tuple(v, lane).map(([{ made, value }, at]) => ({ made: v128.lane(made, at), value: () => value()[at]! })),
    ),
    f64: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.double().map((value) => ({ made: f64.const(value), value: () => value })),
      fc.tuple(d, d).map(lift(f64.add, (one, other) => one + other)),
      fc.tuple(d, d).map(lift(f64.sub, (one, other) => one - other)),
      fc.tuple(d, d).map(lift(f64.mul, (one, other) => one * other)),
      fc.tuple(d, d).map(lift(f64.div, (one, other) => one / other)),
      fc.tuple(d, d).map(lift(f64.min, Math.min)),
      fc.tuple(d, d).map(lift(f64.max, Math.max)),
      d.map(lift1(f64.sqrt, Math.sqrt)),
      d.map(lift1(f64.nearest, nearest)),
      f.map(lift1(f64.promoteF32, (operand) => operand)),
      i.map(lift1(f64.convertI32, (operand) => operand)),
      i.map(
        lift1(
          (n) => f64.powerOf2(i32.sub(i32.and(n, i32.const(1023)), i32.const(500))),
          (n) => 2 ** ((n & 1023) - 500),
        ),
      ),
    ),
    v128: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.float().map((value) => ({ made: v128.const(value), value: () => four(() => value) })),
      f.map(lift1(v128.splat, (operand) => four(() => operand))),
      fc.tuple(v, v).map(
        lift(
          v128.add,
          lanes((one, other) => one + other),
        ),
      ),
      fc.tuple(v, v).map(
        lift(
          v128.sub,
          lanes((one, other) => one - other),
        ),
      ),
      fc.tuple(v, v).map(
        lift(
          v128.mul,
          lanes((one, other) => one * other),
        ),
      ),
      fc.tuple(v, v).map(
        lift(
          v128.div,
          lanes((one, other) => one / other),
        ),
      ),
      fc.tuple(v, v).map(lift(v128.max, lanes(Math.max))),
      fc.tuple(v, v).map(lift(v128.pmax, lanes(larger))),
      fc.tuple(v, lane, f).map(([{ made, value }, at, put]) => ({
        made: v128.withLane(made, at, put.made),
        value: () => {
          const [before, one] = [value(), put.value()];
          return four((each) => (each === at ? one : before[each]!));
        },
      })),
      fc.tuple(v, v, fc.tuple(inAll, inAll, inAll, inAll)).map(([one, other, order]) => ({
        made: v128.shuffle(one.made, other.made, order),
        value: () => {
          const all = [...one.value(), ...other.value()];
          return four((each) => all[order[each]!]!);
        },
      })),
    ),
  };
});

/** What WebAssembly makes of an expression, stored at address 16. */
function run(made: Expression<ValueType>): DataView {
  const module = new ModuleBuilder(target);
  module.export(
    "run",
    module.function([], (body) => body.store(i32.const(0), made, 16)),
  );
  const memory = memoryOf(64);
  instance(module.encode(), memory).run!();
  return new DataView(memory.buffer);
}

/** Holds WebAssembly against JavaScript. A NaN is a NaN, whatever its other bits. */
function agrees<T extends ValueType, V>({ made, value }: Tree<T, V>, read: (memory: DataView) => V): void {
  let expected: V;
  try {
    expected = value();
  } catch {
    expect(() => run(made)).toThrow(RuntimeError);
    return;
  }
  expect(read(run(made))).toEqual(expected);
}

describe("random expressions evaluate as in JavaScript", () => {
  const numRuns = 500;
  it("i32", () =>
    fc.assert(
      fc.property(trees.i32, (tree) => agrees(tree, (memory) => memory.getInt32(16, true))),
      { numRuns },
    ));
  it("f32", () =>
    fc.assert(
      fc.property(trees.f32, (tree) => agrees(tree, (memory) => memory.getFloat32(16, true))),
      { numRuns },
    ));
  it("f64", () =>
    fc.assert(
      fc.property(trees.f64, (tree) => agrees(tree, (memory) => memory.getFloat64(16, true))),
      { numRuns },
    ));
  it("v128", () =>
    fc.assert(
      fc.property(trees.v128, (tree) =>
        agrees(tree, (memory) => four((lane) => memory.getFloat32(16 + 4 * lane, true))),
      ),
      { numRuns },
    ));
});

it("the exponent of a float64 is that of its power of 2", () => {
  const positive = fc.double({ min: 2 ** -1022, noDefaultInfinity: true, noNaN: true });
  fc.assert(
    fc.property(positive, (value) => {
      const found = run(f64.exponent(f64.const(value))).getInt32(16, true);
      expect(2 ** found).toBeLessThanOrEqual(value);
      expect(value / 2 ** found).toBeLessThan(2);
    }),
  );
});

it("a · b + c of relaxed SIMD is rounded once or twice, and is valid where the engine has it", () => {
  const made = (make: typeof v128.relaxedMadd) => make(v128.const(0.1), v128.const(0.3), v128.const(7));
  const [tenth, third] = [Math.fround(0.1), Math.fround(0.3)];
  const product = Math.fround(tenth * third);
  const answers = (sign: number) => [Math.fround(7 + sign * tenth * third), Math.fround(7 + sign * product)];
  expect(isValid(new ModuleBuilder(target).encode())).toBe(true);
  expect(answers(1)).toContain(run(made(v128.relaxedMadd)).getFloat32(16, true));
  expect(answers(-1)).toContain(run(made(v128.relaxedNmadd)).getFloat32(16, true));
});
