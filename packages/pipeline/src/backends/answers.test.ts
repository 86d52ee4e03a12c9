import { type Backend, backendOf, reference, type Tensor, tensorOf } from "@residual/core";
import { onnx } from "@residual/onnx";
import { wasm } from "@residual/wasm";
import { expect, it } from "vitest";
import { faultIn } from "./answers.ts";

/** The reference, its answers rounded to float32, and changed. */
function changed(change: (name: string, data: Float32Array) => void): Backend {
  return backendOf({
    name: "changed",
    describe: () => reference.describe(),
    async load(graph) {
      const exact = await reference.compile(graph);
      return {
        async run(inputs) {
          const answers: { [name: string]: Tensor<"float32"> } = {};
          for (const [name, { shape, data }] of Object.entries(await exact.run(inputs))) {
            answers[name] = tensorOf("float32", shape, Float32Array.from(data));
            change(name, answers[name].data);
          }
          return answers;
        },
        dispose: () => exact.dispose(),
      };
    },
  });
}

it("the backends here give right answers", async () => {
  for (const backend of [changed(() => {}), onnx(), wasm({ winograd: false })])
    expect(await faultIn(backend), backend.name).toBeUndefined();
});

const layers = ["stem", "pool", "residual", "strided", "shortcut", "grouped", "logits"];

it.each(layers)("one element of %s that is off by a thousandth of the largest is found", async (layer) => {
  const backend = changed((name, data) => {
    if (name === layer) data[data.length - 1]! += Math.max(...data.map(Math.abs)) / 1000;
  });
  expect(await faultIn(backend)).toMatch(
    new RegExp(`^${layer}\\[\\d+\\] of a small network is \\S+, expected \\S+ ± `),
  );
});

it.each([Number.NaN, Number.POSITIVE_INFINITY])("%s is found", async (value) => {
  const backend = changed((name, data) => {
    if (name === "logits") data[0] = value;
  });
  expect(await faultIn(backend)).toMatch(`logits[0] of a small network is ${value}`);
});
