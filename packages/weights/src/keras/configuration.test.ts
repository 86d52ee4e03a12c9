import { describe, expect, it } from "vitest";
import { activationOf, layersIn, pairOf, referencesIn } from "./configuration.ts";

const layerOf = (entry: object) => layersIn({ config: { layers: [entry] } })![0]!;

describe("a layer in a configuration", () => {
  it("has its class without the package that it was registered under", () => {
    expect(layerOf({ class_name: "mine>layers>Conv2D", config: { name: "c" } })).toMatchObject({
      kind: "Conv2D",
      name: "c",
    });
  });

  it.each([
    ["Keras 3", [{ args: [], kwargs: { training: true } }]],
    ["Keras 2", [[["before", 0, 0, { training: true }]]]],
  ])("is called as in training where the call of %s says so", (_, inbound_nodes) => {
    const { calls } = layerOf({ class_name: "Dropout", inbound_nodes });
    expect(calls.map(({ isTraining }) => isTraining)).toEqual([true]);
  });

  it.each([
    ["relu", "relu"],
    [undefined, "linear"],
    [null, "linear"],
    [{ class_name: "function", config: "my_swish" }, "my_swish"],
    [{ class_name: "LeakyReLU", config: {} }, "leakyrelu"],
    [5, "of its own"],
    [{}, "of its own"],
  ])("with the activation %j has %s", (activation, name) => {
    expect(activationOf(layerOf({ class_name: "Dense", config: { activation } }))).toBe(name);
  });
});

describe("references", () => {
  it("of Keras 2 and of Keras 3 tell the layer, its application and the output", () => {
    const of3 = (history: unknown) => ({ class_name: "__keras_tensor__", config: { keras_history: history } });
    const expected = [
      { layer: "a", node: 1, output: 2 },
      { layer: "b", node: 0, output: 0 },
    ];
    expect(
      referencesIn([
        ["a", 1, 2, {}],
        ["b", 0],
      ]),
    ).toEqual(expected);
    expect(referencesIn({ args: [[of3(["a", 1, 2]), of3(["b", 0, 0])]], scale: 2 })).toEqual(expected);
  });

  it("are not looked for in lists that are nested without end", () => {
    let value: unknown = ["a", 0, 0];
    for (let depth = 0; depth < 200_000; depth++) value = [value];
    expect(referencesIn(value)).toEqual([]);
  });
});

it.each([
  [3, [3, 3]],
  [
    [1, 2],
    [1, 2],
  ],
  [[1], undefined],
  [[1, 2, 3], undefined],
  [[1, "2"], undefined],
  [null, undefined],
])("%j stands for the pair %j", (value, expected) => {
  expect(pairOf(value)).toEqual(expected);
});
