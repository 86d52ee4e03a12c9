import { expect, it } from "vitest";
import { ShapeError } from "../ir/errors.ts";
import { graph } from "../ir/graph.ts";
import { tensor } from "../ir/tensor.ts";
import { input, variable } from "../ir/value.ts";
import { add } from "../ops/index.ts";
import { reference } from "../reference.ts";
import { withVariables } from "./with-variables.ts";

const x = input("x", [2]);
const [total, kept] = [variable("total", tensor([2], [0, 0])), variable("kept", tensor([2], [5, 5]))];
const sum = add({ a: total, b: x });
const counter = graph({
  name: "counter",
  inputs: { x },
  outputs: { sum: add({ a: sum, b: kept }) },
  updates: [{ variable: total, value: sum }],
});

it("a state that one executable gives out goes on in another", async () => {
  const run = { x: tensor([2], [1, 2]) };
  await using first = await reference.compile(counter);
  await first.run(run);
  const state = new Map(Object.entries(await first.read(["total"])));
  await using second = await reference.compile(withVariables(counter, state));
  const [expected, found] = [await first.run(run), await second.run(run)];
  expect(found).toEqual(expected);
  expect(Array.from(found.sum.data)).toEqual([7, 9]);
  expect(await second.read(["total", "kept"])).toEqual(await first.read(["total", "kept"]));
});

it.each([
  ["V1: another name", "other", [2], "counter has no variables other"],
  ["V2: another shape", "total", [3], "total is 3, expected 2"],
] as const)("refuses %s", (_, name, shape, words) => {
  const state = new Map([
    [
      name,
      tensor(
        shape,
        Array.from({ length: shape[0] }, () => 1),
      ),
    ],
  ]);
  expect(() => withVariables(counter, state)).toThrow(ShapeError);
  expect(() => withVariables(counter, state)).toThrow(words);
});
