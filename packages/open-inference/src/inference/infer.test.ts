import { tensorOf } from "@residual/core";
import { expect, it } from "vitest";
import type { Model } from "../service.ts";
import { image, sums } from "../testing/sums.ts";
import { infer } from "./infer.ts";

const input = { name: "image", datatype: "FP32", shape: [1, 3, 2, 2], data: image };

/** A model that answers the same numbers, whatever it is given. */
const fixed = (shape: readonly number[], data: readonly number[], labels?: readonly string[]): Model => ({
  ...sums,
  labels,
  infer: async () => ({ sums: tensorOf("float32", shape, Float32Array.from(data)) }),
});

const classes = async (model: Model, classification: number) =>
  (await infer(model, { inputs: [input], outputs: [{ name: "sums", classification }] }, { maxImages: 4 }))[0];

it("classes are ordered by value, and a tie goes to the lower index", async () => {
  expect(await classes(fixed([2, 3], [1, 2, 2, 0.5, -1, 0], ["a", "b", "c"]), 2)).toEqual({
    name: "sums",
    datatype: "BYTES",
    shape: [2, 2],
    data: ["2.000000:1:b", "2.000000:2:c", "0.500000:0:a", "0.000000:2:c"],
  });
});

it("NaN counts as largest, so that it shows", async () => {
  expect(await classes(fixed([1, 3], [1, Number.NaN, 2]), 2)).toMatchObject({ data: ["NaN:1", "2.000000:2"] });
});

it("more classes than there are give all", async () => {
  expect(await classes(fixed([1, 2], [3, 4]), 9)).toMatchObject({ shape: [1, 2], data: ["4.000000:1", "3.000000:0"] });
});

it("classes of features have no labels", async () => {
  const outputs = [{ name: "embedding", classification: 1 }];
  const [found] = await infer(sums, { inputs: [input], outputs }, { maxImages: 4 });
  expect(found).toMatchObject({ data: ["1.000000:0"] });
});

it("classes of an output that has no rows are an error", async () => {
  await expect(classes(fixed([1, 3, 1], [1, 2, 3]), 1)).rejects.toMatchObject({ code: "RequestError", status: 400 });
});

it("the model is told the outputs, the signal and the deadline", async () => {
  const { signal } = new AbortController();
  const told: unknown[] = [];
  const model: Model = {
    ...sums,
    infer(given, options) {
      told.push(options);
      return sums.infer(given);
    },
  };
  await infer(model, { inputs: [input] }, { maxImages: 4, signal, deadline: 7 });
  expect(told).toEqual([{ outputs: ["sums", "embedding"], signal, deadline: 7 }]);
});
