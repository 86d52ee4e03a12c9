import { expect, it } from "vitest";
import { type Facts, rankBackends } from "./rank.ts";

const order = (facts: Facts) =>
  rankBackends(facts).map(({ name, onHardware }) => (onHardware ? `${name} on hardware` : name));

const small = 41e6; // CIFAR's ResNet-20
const large = 1.8e9; // ResNet-18

it("in Node a large network goes to a GPU first, a small one to native code", () => {
  const rest = ["onnx", "webgpu on hardware", "tfjs-node", "wasm"];
  expect(order({ platform: "node", macs: large })).toEqual(["webgpu on hardware", ...rest]);
  expect(order({ platform: "node", macs: small })).toEqual(rest);
});

it("in a browser a GPU goes first, whatever the network, and what needs a download is not tried", () => {
  expect(new Set(order({ platform: "browser", macs: large }))).toEqual(new Set(["webgpu on hardware", "wasm"]));
  expect(order({ platform: "browser", macs: small })).toEqual(["webgpu on hardware", "wasm"]);
});

it("a GPU and native code have a rival, but a page's GPU none for a large network, whose runs would hold it up", () => {
  const first = (facts: Facts) => rankBackends(facts)[0];
  expect(first({ platform: "node", macs: large })).toMatchObject({ name: "webgpu", rival: "onnx" });
  expect(first({ platform: "node", macs: small })).toMatchObject({ name: "onnx", rival: "wasm" });
  expect(first({ platform: "browser", macs: small })).toMatchObject({ name: "webgpu", rival: "wasm" });
  expect(first({ platform: "browser", macs: large })).not.toHaveProperty("rival");
  for (const { because } of rankBackends({ platform: "node", macs: large })) expect(because).not.toBe("");
});
