import { bind, fixtureInput, fixtureWeights, type Graph, resnet, type Tensor, variants } from "@residual/core";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { toGraphModel } from "./export.ts";

await import("@tensorflow/tfjs-backend-wasm");
await tf.setBackend("wasm");

type Files = ReturnType<typeof toGraphModel>["files"];

/** As a server would give it out: nothing but its files, and the loader that tfjs has for URLs. */
function plainModel(files: Files): ReturnType<typeof loadGraphModel> {
  return loadGraphModel("https://somewhere/model.json", {
    fetchFunc: async (url: string) => new Response(files[url.slice(url.lastIndexOf("/") + 1)] as Uint8Array<ArrayBuffer>),
  } as never);
}

async function plainAnswer(files: Files, image: Tensor<"float32">): Promise<Float32Array> {
  const model = await plainModel(files);
  const x = tf.tensor(image.data, [...image.shape]);
  const y = model.predict({ image: x }) as tf.Tensor;
  const data = await y.data<"float32">();
  tf.dispose([x, y]);
  model.dispose();
  return Float32Array.from(data);
}

async function ownAnswer(graph: Graph<"image", "logits">, image: Tensor<"float32">): Promise<Float32Array> {
  await using executable = await tfjs({ engine: "wasm" }).compile(graph);
  return (await executable.run({ image })).logits.data as Float32Array;
}

function modelOf(name: "cifar_resnet20" | "resnext50_32x4d" | "seresnext50_32x4d", side: number): Graph<"image", "logits"> {
  const open = resnet(variants[name], { input: ["N", 3, side, side] });
  return bind(open, fixtureWeights(open, "v1")) as Graph<"image", "logits">;
}

describe("a graph model", () => {
  it.each([
    ["cifar_resnet20", 32, 3],
    ["resnext50_32x4d", 64, 1],
    ["seresnext50_32x4d", 64, 1],
  ] as const)("of %s gives our own executable's bits in plain tfjs", async (name, side, batch) => {
    const graph = modelOf(name, side);
    const image = fixtureInput("v1", [batch, 3, side, side]);
    const { files, report } = toGraphModel(graph);
    expect(await plainAnswer(files, image)).toEqual(await ownAnswer(graph, image));
    const shards = Object.entries(files).filter(([file]) => file.endsWith(".bin"));
    expect(shards.length).toBe(report.shards);
    for (const [, { length }] of shards) expect(length).toBeLessThanOrEqual(4 << 20);
    expect(Object.values(files).reduce((sum, { length }) => sum + length, 0)).toBe(report.bytes);
  });
});
