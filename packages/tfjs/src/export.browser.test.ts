import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { tfjs, toGraphModel } from "./index.ts";

const wasmPaths = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/"; // the server's root is this package

/** On webgpu too, by hand: there it takes half a minute of SwiftShader to compile what two devices need. */
it.each(["wasm"] as const)("a graph model gives our executable's bits in plain tfjs on %s", async (engine) => {
  const open = resnet(variants.mlperf_tiny_resnet8, { input: ["N", 3, 32, 32] });
  const graph = bind(open, fixtureWeights(open, "v1"));
  const image = fixtureInput("v1", [2, 3, 32, 32]);
  await using executable = await tfjs({ engine, wasmPaths }).compile(graph);
  const expected = (await executable.run({ image })).logits.data;
  const { files } = await toGraphModel(graph, { engine });
  const server = async (url: string | URL | Request) =>
    new Response(files[new Request(url).url.replace("https://somewhere/", "")] as Uint8Array<ArrayBuffer>);
  await tf.setBackend(engine); // the page's own
  const model = await loadGraphModel("https://somewhere/model.json", { fetchFunc: server });
  // beside probabilities
  const { logits } = model.predict({ image: tf.tensor(image.data, [...image.shape]) }) as tf.NamedTensorMap;
  expect(await logits!.data()).toEqual(expected);
});
