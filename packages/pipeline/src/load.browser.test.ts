import { type LoadOptions, load } from "@residual/pipeline";
import { expect, inject, it } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

const url = `/@fs${inject("repository")}photos/chelsea.png`;
const blob = async () => (await fetch(url)).blob();
const wasmPaths = { tfjs: `/@fs${inject("repository")}packages/tfjs/node_modules/@tensorflow/tfjs-backend-wasm/dist/` };

/** As in Node (load.test.ts): the card of the weights. */
const cat = { label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number };

it.each<[string, LoadOptions, string]>([
  ["reference", {}, "@residual/core"],
  ["wasm", {}, "@residual/wasm"],
  ["tfjs-wasm", { wasmPaths }, "@tensorflow/tfjs-backend-wasm"],
  ["onnx", {}, "onnxruntime-web"],
  ["webgpu", {}, "navigator.gpu"],
])("a page classifies a Blob on %s, with the weights inside", async (backend, options, library) => {
  await using classifier = await load({ ...options, backend });
  expect(classifier).toMatchObject({ model: "cifar_resnet20", weights: "resnet20-cifar10", backend: { library } });
  const [first] = await classifier.classify(await blob());
  expect(first).toEqual(cat);
  for await (const { predictions } of classifier.classifyAll([await blob(), url], { top: 1 }))
    expect(predictions).toEqual([cat]);
  expect((await classifier.features("avgpool", await blob())).shape).toEqual([1, 64]);
  expect(await classifier.cam(await blob())).toMatchObject({ prediction: cat, map: { shape: [8, 8] } });
});

it("auto passes over SwiftShader, and says why it took what it took", async () => {
  await using classifier = await load();
  const { name, reason } = classifier.backend;
  expect(name).toBe("wasm");
  expect(reason).toMatch(/^WebAssembly on the CPU \(webgpu: its adapter is software, .*swiftshader.*\)$/i);
  expect((await classifier.classify(await blob()))[0]).toEqual(cat);
});

it.each<[string, LoadOptions, string]>([
  ["a file's name", { weights: "mine.safetensors" }, "mine.safetensors"],
  ["a module's path", { backend: "./mine.ts" }, "a browser loads no module by a path"],
  ["a child process", { isolation: "process" }, "`isolation`"],
])("refuses %s with a typed error", async (_, options, message) => {
  await expect(load({ backend: "reference", ...options })).rejects.toThrow(message);
  await expect(load({ backend: "reference", ...options })).rejects.toHaveProperty("code");
});
