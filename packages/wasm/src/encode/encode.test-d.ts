/** What the compiler must know, checked by `tsc`: each line under an expect-error has to be refused. */
import { type Expression, f32, f64, i32, v128 } from "./expression.ts";
import { ModuleBuilder } from "./module.ts";

const module = new ModuleBuilder({ instructions: "mul and add", isShared: false });
const callee = module.function(["from", "to"], () => {});

module.function(["pointer", "count"], (body, { pointer, count, ...others }) => {
  const sum = body.let(v128.load(pointer));
  const power = body.let(f64.const(1));
  v128.add(sum, v128.loadSplat(pointer, 16)) satisfies Expression<"v128">;
  v128.lane(sum, 0) satisfies Expression<"f32">;
  // @ts-expect-error: a pointer is no vector
  v128.add(pointer, sum);
  // @ts-expect-error: a vector is no number
  f32.add(sum, f32.const(1));
  // @ts-expect-error: numbers are promoted by an instruction
  f64.add(power, f32.const(1));
  // @ts-expect-error: a vector is no address
  v128.load(sum);
  // @ts-expect-error: a condition is an i32
  i32.select(f32.const(1), pointer, count);
  // @ts-expect-error: both sides of a choice are of one type
  f32.select(pointer, f32.const(1), f64.const(1));
  // @ts-expect-error: a number is splat by an instruction
  v128.mul(sum, f32.const(2));
  // @ts-expect-error: a bare number has no type yet
  i32.add(pointer, 4);
  // @ts-expect-error: lanes are four
  v128.shuffle(sum, sum, [0, 1, 2]);

  body.set(sum, v128.const(0));
  // @ts-expect-error: the local is a vector
  body.set(sum, pointer);
  // @ts-expect-error: the local is a pointer
  body.set(pointer, sum);
  // @ts-expect-error: an expression is no local
  body.set(v128.const(0), sum);
  // @ts-expect-error: the locals are vectors
  body.setAll([sum, sum], pointer);
  // @ts-expect-error: one of the locals is a pointer
  body.setAll([sum, pointer], sum);
  // @ts-expect-error: no local has such a type
  body.local("i64");

  body.store(pointer, sum);
  body.store(pointer, power, 8);
  // @ts-expect-error: a vector is no address
  body.store(sum, pointer);
  // @ts-expect-error: lanes are of vectors
  body.storeLane(pointer, power, 0);
  // @ts-expect-error: products are summed up in vectors
  body.addProduct(power, sum, sum);
  // @ts-expect-error: a condition is an i32
  body.if(power, () => {});
  // @ts-expect-error: loops are counted by an i32
  body.times(sum, () => {});
  // @ts-expect-error: pointers alone move
  body.advance(sum, 16);

  body.call(callee, { from: pointer, to: i32.plus(pointer, 16) });
  // @ts-expect-error: a parameter is missing
  body.call(callee, { from: pointer });
  // @ts-expect-error: no such parameter
  body.call(callee, { from: pointer, to: pointer, count });
  // @ts-expect-error: parameters are i32
  body.call(callee, { from: pointer, to: sum });
  others satisfies object;
  // @ts-expect-error: the function has no such parameter
  others.from;
});
