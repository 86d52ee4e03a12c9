import { float32, float64, signed, unsigned } from "./bytes.ts";

/** The types of locals, each with its byte in the binary format. */
export const valueTypes = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;

export type ValueType = keyof typeof valueTypes;

/**
 * Code that leaves one value of type `T` on the stack. Expressions are built from expressions, so that code with a
 * wrong stack does not type-check: `v128.add(pointer, sum)` does not compile.
 */
export interface Expression<T extends ValueType> {
  readonly type: T;
  readonly code: readonly number[];
}

export type I32 = Expression<"i32">;
export type F32 = Expression<"f32">;
export type F64 = Expression<"f64">;
export type V128 = Expression<"v128">;

/** A local variable or a parameter. As an expression it is its value. */
export interface Local<T extends ValueType> extends Expression<T> {
  readonly index: number;
}

/**
 * With `concat`, which is fast even before the engine optimizes this function: a graph has about 100,000 expressions.
 */
function expression<T extends ValueType>(
  type: T,
  first: readonly number[],
  ...rest: readonly (readonly number[])[]
): Expression<T> {
  return { type, code: first.concat(...rest) };
}

function unary<A extends ValueType, R extends ValueType>(result: R, _operand: A, ...opcode: readonly number[]) {
  return (a: Expression<A>): Expression<R> => expression(result, a.code, opcode);
}

function binary<A extends ValueType, R extends ValueType>(result: R, _operands: A, ...opcode: readonly number[]) {
  return (a: Expression<A>, b: Expression<A>): Expression<R> => expression(result, a.code, b.code, opcode);
}

/** Reads memory at `pointer + offset`, in bytes. Alignment is not assumed. */
function load<T extends ValueType>(type: T, ...opcode: readonly number[]) {
  return (pointer: I32, offset = 0): Expression<T> => expression(type, pointer.code, opcode, [0], unsigned(offset));
}

/** An instruction of the SIMD proposal, by its number. */
function simd(number: number): number[] {
  return [0xfd, ...unsigned(number)];
}

export function local<T extends ValueType>(type: T, index: number): Local<T> {
  return { type, index, code: [0x20, ...unsigned(index)] };
}

export const i32 = {
  const: (value: number): I32 => expression("i32", [0x41], signed(value)),
  /** `a + b`; just `a` if `b` is the number 0. */
  plus: (a: I32, b: number): I32 => (b === 0 ? a : i32.add(a, i32.const(b))),
  /** `a · b`; just `a` if `b` is the number 1. */
  times: (a: I32, b: number): I32 => (b === 1 ? a : i32.mul(a, i32.const(b))),
  load: load("i32", 0x28),
  add: binary("i32", "i32", 0x6a),
  sub: binary("i32", "i32", 0x6b),
  mul: binary("i32", "i32", 0x6c),
  divU: binary("i32", "i32", 0x6e),
  remU: binary("i32", "i32", 0x70),
  and: binary("i32", "i32", 0x71),
  shl: binary("i32", "i32", 0x74),
  shrS: binary("i32", "i32", 0x75),
  shrU: binary("i32", "i32", 0x76),
  eq: binary("i32", "i32", 0x46),
  ltS: binary("i32", "i32", 0x48),
  ltU: binary("i32", "i32", 0x49),
  gtS: binary("i32", "i32", 0x4a),
  eqz: unary("i32", "i32", 0x45),
  /** `a` if `condition` is not 0, else `b`. */
  select: (condition: I32, a: I32, b: I32): I32 => expression("i32", a.code, b.code, condition.code, [0x1b]),
  /** The smaller of two signed numbers. */
  minS: (a: I32, b: I32): I32 => i32.select(i32.ltS(a, b), a, b),
  maxS: (a: I32, b: I32): I32 => i32.select(i32.gtS(a, b), a, b),
} as const;

export const f32 = {
  const: (value: number): F32 => expression("f32", [0x43], float32(value)),
  load: load("f32", 0x2a),
  add: binary("f32", "f32", 0x92),
  sub: binary("f32", "f32", 0x93),
  mul: binary("f32", "f32", 0x94),
  div: binary("f32", "f32", 0x95),
  max: binary("f32", "f32", 0x97),
  min: binary("f32", "f32", 0x96),
  sqrt: unary("f32", "f32", 0x91),
  lt: binary("i32", "f32", 0x5d),
  /** `a` if `condition` is not 0, else `b`. */
  select: (condition: I32, a: F32, b: F32): F32 => expression("f32", a.code, b.code, condition.code, [0x1b]),
  convertI32: unary("f32", "i32", 0xb2),
  /** The nearest float32. */
  demoteF64: unary("f32", "f64", 0xb6),
} as const;

export const f64 = {
  const: (value: number): F64 => expression("f64", [0x44], float64(value)),
  load: load("f64", 0x2b),
  add: binary("f64", "f64", 0xa0),
  sub: binary("f64", "f64", 0xa1),
  mul: binary("f64", "f64", 0xa2),
  div: binary("f64", "f64", 0xa3),
  sqrt: unary("f64", "f64", 0x9f),
  max: binary("f64", "f64", 0xa5),
  min: binary("f64", "f64", 0xa4),
  nearest: unary("f64", "f64", 0x9e),
  promoteF32: unary("f64", "f32", 0xbb),
  convertI32: unary("f64", "i32", 0xb7),
  /** Rounds toward 0; NaN gives 0. */
  truncate: unary("i32", "f64", 0xfc, 2),
  /** 2ⁿ, for −1022 ≤ n ≤ 1023: its bits are n + 1023 behind 52 zeros. */
  powerOf2: (n: I32): F64 => expression("f64", i32.plus(n, 1023).code, [0xad, 0x42, 52, 0x86, 0xbf]),
  /** ⌊log₂ x⌋ of a positive normal number. */
  exponent: (x: F64): I32 => expression("i32", x.code, [0xbd, 0x42, 52, 0x88, 0xa7], i32.const(1023).code, [0x6b]),
} as const;

const [RELAXED_MADD, RELAXED_NMADD] = [simd(0x105), simd(0x106)];

/** Throws RangeError for an invalid lane. */
export function checkLane(lane: number, count = 4): void {
  const fits = Number.isInteger(lane) && lane >= 0 && lane < count;
  if (!fits) throw new RangeError(`expected a lane from 0 to ${count - 1}, found ${lane}`);
}

/** The code that reads or changes one of four lanes. Throws RangeError for an invalid lane. */
function atLane(number: number, lane: number): number[] {
  checkLane(lane);
  return [...simd(number), lane];
}

/** Four float32 numbers at once, with the names of f32x4's instructions. */
export const v128 = {
  load: load("v128", ...simd(0)),
  /** One float32, in all four lanes. */
  loadSplat: load("v128", ...simd(9)),
  /** One float32 in the first lane, 0 in the others. */
  loadZero: load("v128", ...simd(92)),
  /** Replaces one lane by a float32. */
  loadLane: (pointer: I32, into: V128, lane: number, offset = 0): V128 => {
    checkLane(lane);
    return expression("v128", pointer.code, into.code, simd(86), [0], unsigned(offset), [lane]);
  },
  const: (value: number): V128 => {
    const bytes = float32(value);
    return expression("v128", simd(12), bytes, bytes, bytes, bytes);
  },
  splat: unary("v128", "f32", ...simd(19)),
  lane: (a: V128, lane: number): F32 => expression("f32", a.code, atLane(31, lane)),
  withLane: (a: V128, lane: number, value: F32): V128 => expression("v128", a.code, value.code, atLane(32, lane)),
  /** Any four lanes of `a` (0 to 3) and `b` (4 to 7), in any order. */
  shuffle: (a: V128, b: V128, lanes: readonly [number, number, number, number]): V128 => {
    for (const lane of lanes) checkLane(lane, 8);
    const bytes = lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);
    return expression("v128", a.code, b.code, simd(13), bytes);
  },
  add: binary("v128", "v128", ...simd(228)),
  sub: binary("v128", "v128", ...simd(229)),
  mul: binary("v128", "v128", ...simd(230)),
  div: binary("v128", "v128", ...simd(231)),
  /** NaN if either is NaN. */
  max: binary("v128", "v128", ...simd(233)),
  sqrt: unary("v128", "v128", ...simd(227)),
  /** Comparisons give lanes of ones where they hold, and of zeros where they do not. */
  eq: binary("v128", "v128", ...simd(65)),
  ne: binary("v128", "v128", ...simd(66)),
  le: binary("v128", "v128", ...simd(69)),
  and: binary("v128", "v128", ...simd(78)),
  /** The bits of `a` that are not in `b`. */
  andNot: binary("v128", "v128", ...simd(79)),
  or: binary("v128", "v128", ...simd(80)),
  /** `a < b ? b : a`, one instruction on x64: a NaN in `a` is kept, a NaN in `b` is lost. */
  pmax: binary("v128", "v128", ...simd(235)),
  /** `a · b + c`, rounded once or twice, as the engine chooses. Relaxed SIMD. */
  relaxedMadd: (a: V128, b: V128, c: V128): V128 => expression("v128", a.code, b.code, c.code, RELAXED_MADD),
  /** `c − a · b`. Relaxed SIMD. */
  relaxedNmadd: (a: V128, b: V128, c: V128): V128 => expression("v128", a.code, b.code, c.code, RELAXED_NMADD),
} as const;

/** Two float64 numbers at once, with the names of f64x2's instructions. */
export const f64x2 = {
  const: (value: number): V128 => {
    const bytes = float64(value);
    return expression("v128", simd(12), bytes, bytes);
  },
  add: binary("v128", "v128", ...simd(240)),
  sub: binary("v128", "v128", ...simd(241)),
  mul: binary("v128", "v128", ...simd(242)),
  /** The first two of four float32 numbers. */
  promoteLow: unary("v128", "v128", ...simd(95)),
  /** The nearest float32 numbers in the first two lanes, 0 in the others. */
  demote: unary("v128", "v128", ...simd(94)),
} as const;

/** The code of instructions that leave nothing on the stack. */
export const stores = {
  i32: [0x36],
  f32: [0x38],
  f64: [0x39],
  v128: simd(11),
} as const satisfies { readonly [T in ValueType]: readonly number[] };

/** Stores one lane of a vector, a float32. */
export const storeLane: readonly number[] = simd(90);

/** Stores the first two lanes of a vector, two float32 numbers. */
export const storePair: readonly number[] = simd(91);
