import { expect, it } from "vitest";
import { type Facts, rankBackends } from "./rank.ts";

const order = (facts: Facts) =>
  rankBackends(facts).map(({ name, onHardware }) => (onHardware ? `${name} on hardware` : name));

const small = 41e6; // CIFAR's ResNet-20
const large = 1.8e9; // ResNet-18

it("in Node a large network goes to a GPU first, a small one to native code", () => {
  const rest = ["onnx", "webgpu on hardware", "tfjs-node", "tfjs-wasm", "webgpu", "tfjs-cpu", "reference"];
  expect(order({ platform: "node", macs: large })).toEqual(["webgpu on hardware", ...rest]);
  expect(order({ platform: "node", macs: small })).toEqual(rest);
});

it("in a browser a GPU goes first, whatever the network, and software adapters after WebAssembly", () => {
  const expected = ["webgpu on hardware", "tfjs-wasm", "onnx", "webgpu", "tfjs-cpu", "reference"];
  expect(order({ platform: "browser", macs: large })).toEqual(expected);
  expect(order({ platform: "browser", macs: small })).toEqual(expected);
});

it("only a large network on a GPU has a rival, and each backend says why it stands there", () => {
  const rivals = (facts: Facts) => rankBackends(facts).flatMap(({ rival }) => rival ?? []);
  expect(rivals({ platform: "node", macs: large })).toEqual(["onnx"]);
  expect(rivals({ platform: "node", macs: small })).toEqual([]);
  expect(rivals({ platform: "browser", macs: large })).toEqual([]);
  for (const { because } of rankBackends({ platform: "node", macs: large })) expect(because).not.toBe("");
});
