import { type F64, f32, f64, i32, type Local, type V128, v128 } from "../encode/expression.ts";
import type { Body } from "../encode/function.ts";
import type { Elementwise } from "./elementwise.ts";
import { type Kernel, phase, plainKernel } from "./kernel.ts";

/** Numbers of a task. */
const CHUNK = 4096;

/** Vectors per turn of the loop. */
const UNROLLED = 4;

const chunksOf = (numbers: number): number => Math.ceil(numbers / CHUNK);

/** The numbers that a kernel processes: a count per image. With 1, its number of images is the count. */
export type NumbersPerImage = number;

const rowsOf = (perImage: NumbersPerImage): string => (perImage === 1 ? "rows" : `rows of ${perImage}`);

/**
 * Loops over the numbers of a chunk: vectors, then single numbers. `visit` writes the code for the number or vector at
 * an offset from `pointers`, in one of several turns.
 */
function overChunk(
  body: Body,
  chunk: Local<"i32">,
  total: Local<"i32">,
  pointers: readonly Local<"i32">[],
  visit: (width: 1 | 4, offset: number, turn: number) => void,
): void {
  const first = body.let(i32.times(chunk, CHUNK));
  for (const pointer of pointers) body.advance(pointer, i32.times(first, 4));
  const count = body.let(i32.minS(i32.sub(total, first), i32.const(CHUNK)));
  const step = (width: 1 | 4, turns: number) => {
    for (let turn = 0; turn < turns; turn++) visit(width, 4 * width * turn, turn);
    for (const pointer of pointers) body.advance(pointer, 4 * width * turns);
  };
  body.times(i32.shrU(count, i32.const(4)), () => step(4, UNROLLED));
  body.times(i32.and(i32.shrU(count, i32.const(2)), i32.const(3)), () => step(4, 1));
  body.times(i32.and(count, i32.const(3)), () => step(1, 1));
}

const load = (width: 1 | 4, pointer: Local<"i32">, offset: number): V128 =>
  width === 4 ? v128.load(pointer, offset) : v128.loadZero(pointer, offset);

/**
 * `y = f(x…, scalars…)` for numbers in a row, wherever they came from. One module serves tensors of any size: the
 * numbers of `perImage` = 1 are counted by the images of a step.
 */
export function flat(
  { name, make }: Elementwise,
  inputs: readonly string[],
  scalars: readonly string[] = [],
  perImage: NumbersPerImage = 1,
): Kernel {
  return plainKernel({
    name: `${name} of ${[...inputs, ...scalars].join(" ")} in ${rowsOf(perImage)}`,
    operands: [...inputs, ...scalars, "y"],
    tasks: (images) => chunksOf(images * perImage),
    work: perImage,
    task(body, task, values) {
      const chunk = body.let(task);
      const held = scalars.map((scalar) => body.let(v128.loadSplat(values[scalar]!)));
      const pointers = [...inputs, "y"].map((operand) => body.let(values[operand]!));
      const total = body.let(i32.times(values.images!, perImage));
      const to = pointers.at(-1)!;
      overChunk(body, chunk, total, pointers, (width, offset) => {
        const numbers = pointers.slice(0, -1).map((pointer) => load(width, pointer, offset));
        const value = make(body, [...numbers, ...held]);
        if (width === 4) body.store(to, value, offset);
        else body.storeLane(to, value, 0, offset);
      });
    },
  });
}

/**
 * The sum over all numbers of f(x), plus a total if there is one. A task sums a chunk in 16 parallel sums; the sums of
 * the chunks are added in float64, in order.
 */
export function total({ name, make }: Elementwise, hasTotal: boolean, perImage: NumbersPerImage = 1): Kernel {
  const operands = ["x", ...(hasTotal ? (["total"] as const) : []), "y"] as const;
  return {
    name: `sum of ${name} in ${rowsOf(perImage)}${hasTotal ? " plus total" : ""}`,
    operands,
    work: perImage,
    scratch: (images) => 8 * chunksOf(images * perImage),
    phases: (images) => [
      { function: "chunks", tasks: chunksOf(images * perImage) },
      { function: "total", tasks: 1 },
    ],
    define(module) {
      phase(module, "chunks", operands, (body, values) => {
        const all = body.let(i32.times(values.images, perImage));
        body.range(values.first, values.end, (task) =>
          body.store(i32.add(values.scratch, i32.times(task, 8)), sumOfChunk(body, make, values.x, task, all)),
        );
      });
      phase(module, "total", operands, (body, { y, scratch, images, first, end, ...given }) => {
        body.range(first, end, () => {
          const from = body.let(scratch);
          const sum = body.let("total" in given ? f64.promoteF32(f32.load(given.total)) : f64.const(0));
          const chunks = i32.divU(i32.plus(i32.times(images, perImage), CHUNK - 1), i32.const(CHUNK));
          body.times(chunks, () => {
            body.set(sum, f64.add(sum, f64.load(from)));
            body.advance(from, 8);
          });
          body.store(y, f32.demoteF64(sum));
        });
      });
    },
  };
}

function sumOfChunk(
  body: Body,
  make: Elementwise["make"],
  x: Local<"i32">,
  chunk: Local<"i32">,
  all: Local<"i32">,
): F64 {
  const sums = Array.from({ length: UNROLLED }, () => body.local("v128"));
  body.setAll(sums, v128.const(0));
  const pointer = body.let(x);
  overChunk(body, chunk, all, [pointer], (width, offset, turn) => {
    const value = make(body, [load(width, pointer, offset)]);
    const counted = width === 4 ? value : v128.shuffle(value, v128.const(0), [0, 4, 4, 4]); // f(0) may not be 0
    body.set(sums[turn]!, v128.add(sums[turn]!, counted));
  });
  const parts: readonly V128[] = sums;
  const lanes = body.let(parts.reduce((a, b) => v128.add(a, b)));
  return [0, 1, 2, 3].map((lane) => f64.promoteF32(v128.lane(lanes, lane))).reduce((a, b) => f64.add(a, b));
}
