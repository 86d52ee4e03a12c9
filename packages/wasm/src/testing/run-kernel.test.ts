import { expect, it } from "vitest";
import { f32, i32 } from "../encode/expression.ts";
import { plainKernel } from "../kernels/kernel.ts";
import { layoutOf } from "../layout.ts";
import { runKernel } from "./run-kernel.ts";

const layout = layoutOf([1, 3, 1, 1]);
const x = { layout, images: 1, data: Float32Array.of(1, 2, 3) };

/** Copies three numbers of a pixel, from `from` and to `to` bytes aside. */
function copy(from: number, to: number, bytes = 12) {
  return plainKernel({
    name: "copy",
    operands: ["x", "y"],
    tasks: () => 1,
    work: 3,
    task(body, _, values) {
      const [source, target] = [i32.plus(values.x, from), i32.plus(values.y, to)];
      for (let at = 0; at < bytes; at += 4) body.store(target, f32.load(source, at), at);
    },
  });
}
const run = (kernel: ReturnType<typeof copy>) => runKernel(kernel, [x], { layout, images: 1 });

it("answers with what a kernel writes into its own pixels, lanes that no channel has among them", () => {
  expect([...run(copy(0, 0))]).toEqual([1, 2, 3]);
  expect([...run(copy(0, 0, 16))]).toEqual([1, 2, 3]);
});

it.each([
  ["writes behind its answer", copy(0, 16, 4), /wrote at|out of bounds/],
  ["writes before its answer", copy(0, -4), /wrote at|out of bounds/],
  ["reads behind its operand", copy(16, 0), /out of bounds/],
  ["reads before its operand", copy(-4, 0), /out of bounds/],
  ["reads as much as fits behind its operand", copy(4, 0, 16), /out of bounds/],
] as const)("a kernel that %s is caught", (_, kernel, message) => {
  expect(() => run(kernel)).toThrow(message);
});

it("a kernel that writes into what it reads is caught", () => {
  const kernel = plainKernel({
    name: "in place",
    operands: ["x", "y"],
    tasks: () => 1,
    work: 1,
    task: (body, _, { x: pointer }) => body.store(pointer, f32.const(0)),
  });
  expect(() => run(kernel)).toThrow(/wrote at/);
});

it("a kernel whose answer depends on the order of its tasks is caught", () => {
  const kernel = plainKernel({
    name: "in order",
    operands: ["x", "y"],
    tasks: () => 2,
    work: 2,
    task: (body, task, { y }) => body.store(y, f32.convertI32(task)),
  });
  expect(() => run(kernel)).toThrow(/differ/);
});
