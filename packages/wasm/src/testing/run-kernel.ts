import { encodeKernel, type Kernel } from "../kernels/kernel.ts";
import type { ImageLayout } from "../layout.ts";
import { instance, memoryOf } from "./engine.ts";
import { eachNumber, type Images, laidOut, numbersOf, UNTOUCHED, writable } from "./images.ts";

/** Numbers between operands that nobody may touch. */
const GUARD = 16;

interface Operand {
  /** What lies there before the kernel runs. */
  readonly numbers: Uint32Array;
  /** Which of them the kernel may change. */
  readonly mayChange: ReadonlySet<number>;
}

interface Run {
  /** Tasks one by one, the last first, as several threads might. */
  readonly isSplit: boolean;
  /** Of the operands: which lies at the beginning of memory, and which at its end. */
  readonly order: readonly number[];
}

/**
 * Runs a kernel on images, several times: each operand once at address 0 and once at the very end of memory, where
 * reading or writing outside of it traps. Throws an Error where memory between or inside of operands changed that is
 * not the answer's, or where the runs differ. Answers with y as tensors hold it.
 */
export function runKernel(
  kernel: Kernel,
  inputs: readonly Images[],
  y: { readonly layout: ImageLayout; readonly images: number },
): Float32Array {
  const nothing: ReadonlySet<number> = new Set();
  const scratch = new Uint32Array((kernel.scratch?.(y.images) ?? 0) / 4).fill(UNTOUCHED);
  const operands = [
    ...inputs.map((images): Operand => ({ numbers: laidOut(images), mayChange: nothing })),
    ...(scratch.length > 0 ? [{ numbers: scratch, mayChange: new Set(scratch.keys()) }] : []),
    {
      numbers: new Uint32Array(numbersOf(y.layout, y.images)).fill(UNTOUCHED),
      mayChange: writable(y.layout, y.images),
    },
  ];
  const answers = operands.map((_, turn) => {
    const order = operands.map((__, at) => (at + turn) % operands.length);
    const memory = runOnce(kernel, operands, y.images, { isSplit: turn % 2 === 1, order });
    return answerOf(new Float32Array(memory.buffer), y);
  });
  const [first, ...others] = answers.map((answer) => new Int32Array(answer.buffer));
  for (const other of others)
    if (!other.every((bits, at) => bits === first![at])) throw new Error(`${kernel.name}: the answers differ`);
  return answers[0]!;
}

/** Answers with the bytes of the last operand. */
function runOnce(kernel: Kernel, operands: readonly Operand[], images: number, { isSplit, order }: Run): Uint32Array {
  const count = operands.reduce((sum, { numbers }) => sum + numbers.length + GUARD, 0);
  const memory = memoryOf(4 * count);
  const all = new Uint32Array(memory.buffer).fill(UNTOUCHED);
  const starts = new Map<number, number>();
  let next = 0;
  for (const [at, operand] of order.entries()) {
    const { length } = operands[operand]!.numbers;
    const isLast = at === order.length - 1 && at > 0;
    starts.set(operand, isLast ? all.length - length : next);
    next += length + GUARD;
  }
  const addresses = operands.map((_, operand) => starts.get(operand) ?? 0);
  for (const [operand, { numbers }] of operands.entries()) all.set(numbers, addresses[operand]);
  const before = all.slice();
  const functions = instance(encodeKernel(kernel, { instructions: "mul and add", isShared: false }), memory);
  const places = addresses.map((address) => 4 * address);
  const hasScratch = (kernel.scratch?.(images) ?? 0) > 0;
  const scratch = hasScratch ? places.at(-2)! : 0;
  const pointers = hasScratch ? places.toSpliced(-2, 1) : places;
  for (const { function: name, first: start = 0, tasks } of kernel.phases(images)) {
    const run = (first: number, end: number) => functions[name]!(...pointers, scratch, images, first, end);
    if (isSplit) for (let task = start + tasks - 1; task >= start; task--) run(task, task + 1);
    else run(start, start + tasks);
  }
  const allowed = new Set(operands.flatMap(({ mayChange }, at) => [...mayChange].map((each) => each + addresses[at]!)));
  for (const [at, bits] of all.entries())
    if (bits !== before[at] && !allowed.has(at))
      throw new Error(`${kernel.name} wrote at ${at}, outside of its answer`);
  const start = addresses.at(-1)!;
  return all.slice(start, start + operands.at(-1)!.numbers.length);
}

function answerOf(memory: Float32Array, { layout, images }: { layout: ImageLayout; images: number }): Float32Array {
  const data = new Float32Array(images * layout.channels * layout.height * layout.width);
  eachNumber(layout, images, (index, place) => {
    data[index] = memory[place]!;
  });
  return data;
}
