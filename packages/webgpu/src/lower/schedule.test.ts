import { expect, it } from "vitest";
import type { Dispatch } from "./plan.ts";
import { scheduleOf } from "./schedule.ts";

/** Dispatch i computes value i. Each argument lists the ids of the values that one dispatch reads. */
const reading = (...inputs: readonly (readonly number[])[]): readonly Dispatch[] =>
  inputs.map((ids, output) => ({
    node: "",
    kernel: "",
    inputs: ids.map((id) => ({ kind: "value", id })),
    shape: [],
    bytes: 16,
    memory: "buffers",
    params: new Uint32Array(),
    workgroups: [1, 1, 1],
    output,
  }));

const orderFor = (dispatches: readonly Dispatch[], ...outputs: readonly number[]) =>
  scheduleOf(
    dispatches,
    outputs.map((id) => ({ kind: "value", id })),
  );

it("what no update depends on keeps its order", () => {
  expect(orderFor(reading([], [0], [], [1, 2]), 3)).toEqual([0, 1, 2, 3]);
});

it("what only updates depend on runs once its inputs are known", () => {
  // 4 is a parameter's update from its gradient 3, which is computed from 0; the output 2 does not need them
  expect(orderFor(reading([], [0], [1], [0], [3]), 2)).toEqual([0, 3, 4, 1, 2]);
  expect(orderFor(reading([], [], [0, 1], [1], [3, 0]), 2)).toEqual([0, 1, 3, 4, 2]);
});

it("runs each dispatch once, after its inputs, also with no output", () => {
  const dispatches = reading([], [0], [0], [1, 2], [0, 3], []);
  for (const outputs of [[], [3], [1, 5], [4]]) {
    const order = orderFor(dispatches, ...outputs);
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const [place, i] of order.entries()) {
      for (const each of dispatches[i]!.inputs) {
        expect(each.kind === "value" && order.indexOf(each.id)).toBeLessThan(place);
      }
    }
  }
});
