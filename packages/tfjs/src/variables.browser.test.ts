import {
  type Answer,
  constant,
  type Graph,
  graph,
  input,
  ops,
  reference,
  type Tensor,
  tensor,
  variable,
} from "@residual/core";
import { expect, it } from "vitest";
import { tfjs } from "./index.ts";

const wasmPaths = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/"; // the server's root is this package

/** Whole numbers between −2 and 2. */
function wholes(shape: readonly number[], seed: number): Tensor<"float32"> {
  const size = shape.reduce((product, each) => product * each, 1);
  return tensor(
    shape,
    Array.from({ length: size }, (_, i) => Math.round(2 * Math.sin(seed * 997 + i * 1.618))),
  );
}

/** Engines differ in the sign that they give a zero. */
function numbersOf({ data }: Answer): number[] {
  return Array.from(data, (value) => value + 0);
}

/** Two convolutions, one of them in groups, a linear layer, and pictures, all of which change in each run. */
function changing(): Graph<"x", "y" | "last"> {
  const x = input("x", [2, 4, 5, 5]);
  const kernel = variable("kernel", wholes([4, 4, 3, 3], 1));
  const bias = variable("bias", wholes([4], 2));
  const grouped = variable("grouped", wholes([6, 2, 2, 2], 3));
  const matrix = variable("matrix", wholes([3, 6], 4));
  const last = variable("last", wholes([2, 4, 5, 5], 5));
  const before = variable("before", wholes([2, 4, 5, 5], 6));
  const first = ops.relu({ x: ops.conv2d({ x, weight: kernel, bias }, { padding: 1 }) });
  const second = ops.conv2d({ x: ops.add({ a: first, b: last }), weight: grouped }, { groups: 2, stride: 2 });
  const features = ops.flatten({ x: ops.maxPool2d({ x: second }, { window: 2 }) });
  const y = ops.linear({ x: features, weight: matrix });
  const updates = [kernel, bias, grouped, matrix].map((each, i) => {
    const step = constant(`${each.name}.step`, wholes(each.shape, 7 + i));
    return { variable: each, value: ops.add({ a: each, b: step }) };
  });
  const pictures = [
    { variable: last, value: first },
    { variable: before, value: last },
  ];
  return graph({ name: "changing", inputs: { x }, outputs: { y, last }, updates: [...updates, ...pictures] });
}

it.each(["cpu", "wasm", "webgl", "webgpu"] as const)("%s has the reference's variables, run by run", async (engine) => {
  const names = ["kernel", "bias", "grouped", "matrix", "last", "before"];
  await using executable = await tfjs({ engine, wasmPaths }).compile(changing());
  await using exact = await reference.compile(changing());
  for (const seed of [1, 2, 3]) {
    const x = wholes([2, 4, 5, 5], seed);
    const [found, expected] = [await executable.run({ x }), await exact.run({ x })];
    for (const name of ["y", "last"] as const) {
      expect(numbersOf(found[name]), `${name} of run ${seed}`).toEqual(numbersOf(expected[name]));
    }
    const [kept, right] = [await executable.read(names), await exact.read(names)];
    for (const name of names) {
      expect(kept[name]!.shape).toEqual(right[name]!.shape);
      expect(numbersOf(kept[name]!), `${name} after run ${seed}`).toEqual(numbersOf(right[name]!));
    }
  }
});
