import {
  BackendUnavailableError,
  constant,
  graph,
  input,
  ops,
  reference,
  tensor,
  UnsupportedError,
} from "@residual/core";
import { formatModel, lowerToOnnx, type OnnxDevice, type OnnxOptions, onnx, toOnnx } from "@residual/onnx";
import { describe, expect, it } from "vitest";
import type { WorkerLike } from "../../options.ts";
import { tiny, tinyBatch, tinyStep, wide } from "../../testing/graphs.ts";
import { fill } from "../../testing/values.ts";

declare const Worker: new (url: URL, options: { readonly type: "module" }) => WorkerLike;

const image = fill([2, 3, 8, 8], 1);

describe("in a browser", () => {
  it("says what it runs on", async () => {
    const { deviations: _, ...found } = await onnx().describe();
    expect(found).toEqual({ library: "onnxruntime-web", version: "1.30.0", device: "cpu", dtypes: ["float32"] });
    const { device } = await onnx({ device: "webgpu" }).describe();
    expect(device).toMatch(/swiftshader/i);
  });

  const startWorker = () => new Worker(new URL("./onnx-worker-wasm.ts", import.meta.url), { type: "module" });

  it.each<[string, OnnxOptions]>([
    ["cpu", {}],
    ["webgpu", { device: "webgpu" }],
    ["a worker that the page starts", { worker: startWorker }],
  ])("answers as the reference does on %s", async (_, options) => {
    await using expected = await reference.compile(tiny());
    await using executable = await onnx(options).compile(tiny());
    const [found, numbers] = [await executable.run({ image }), await expected.run({ image })];
    expect(found.logits.shape).toEqual([2, 5]);
    const scale = Math.max(...Array.from(numbers.logits.data, Math.abs));
    for (const [i, value] of found.logits.data.entries())
      expect(Math.abs(value - numbers.logits.data[i]!)).toBeLessThan(7 * 64 * 2 ** -24 * scale); // as in Node
  });

  it("takes weights that go apart from their model", async () => {
    const wider = wide(600, 2); // 2.9 MB
    const data = new Float32Array(600).fill(0.5);
    await using executable = await onnx().compile(wider);
    await using expected = await reference.compile(wider);
    const x = { dtype: "float32", shape: [1, 600], data } as const;
    const [found, numbers] = [(await executable.run({ x })).y, (await expected.run({ x })).y];
    const scale = Math.max(...Array.from(numbers.data, Math.abs));
    for (const [i, value] of found.data.entries())
      expect(Math.abs(value - numbers.data[i]!)).toBeLessThan(2 * 600 * 2 ** -24 * scale);
  });

  it.each<[string, OnnxOptions]>([
    ["cpu", {}],
    ["webgpu", { device: "webgpu" }],
  ])("trains as the reference does on %s", async (_, options) => {
    const [step, batch] = [tinyStep(), tinyBatch()];
    const names = step.updates.map(({ variable }) => variable.name);
    await using expected = await reference.compile(step);
    await using executable = await onnx(options).compile(step);
    for (let i = 0; i < 2; i++) {
      const [found, numbers] = [await executable.run(batch), await expected.run(batch)];
      expect(found.loss.data[0]! / numbers.loss.data[0]!).toBeCloseTo(1, 5);
    }
    const [found, numbers] = [await executable.read(names), await expected.read(names)];
    for (const name of names) {
      const scale = Math.max(...Array.from(numbers[name]!.data, Math.abs));
      // Sums of 4 · 12² products, whose errors pass through seven layers.
      for (const [i, value] of found[name]!.data.entries())
        expect(Math.abs(value - numbers[name]!.data[i]!), name).toBeLessThan(7 * 576 * 2 ** -24 * scale);
    }
  });

  it("executables share a worker, and do not disturb each other", async () => {
    const backend = onnx();
    const [first, second] = await Promise.all([backend.compile(tiny()), backend.compile(tiny())]);
    const { logits } = await first.run({ image });
    await first.dispose();
    await expect(first.run({ image })).rejects.toThrow("run after dispose");
    expect((await second.run({ image })).logits.data).toEqual(logits.data);
    await second.dispose();
    await using third = await backend.compile(tiny());
    expect((await third.run({ image })).logits.data).toEqual(logits.data);
  });

  it("writes models, with the digest of their weights", async () => {
    const x = input("x", [1, 3]);
    const weight = constant("w", tensor([1, 3], [1, 2, 3]));
    const model = graph({ name: "small", inputs: { x }, outputs: { y: ops.linear({ x, weight }) } });
    const text = new TextDecoder("latin1").decode((await toOnnx(model, { external: "w.bin" })).model);
    // printf '\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40' | sha256sum
    expect(text).toContain("8e628779e6a74ee0b36991c10158f63cafec7d340ad4e075592502c8708524dd");
    expect(formatModel(lowerToOnnx(model))).toMatch(/^small \(x: 1×3\) -> \(y: 1×1\)\n/);
  });
});

describe("refuses", () => {
  it.each(["cuda", "dml", "coreml"] satisfies OnnxDevice[])("the device %s", async (device) => {
    const backend = onnx({ device });
    for (const attempt of [backend.describe(), backend.compile(tiny())]) {
      await expect(attempt).rejects.toThrow(BackendUnavailableError);
      await expect(attempt).rejects.toThrow(`the device "${device}" cannot be opened in a browser`);
    }
  });

  it("threads that the page may not have, and numbers that are out of range", () => {
    expect(() => onnx({ threads: 2 })).toThrow(UnsupportedError);
    expect(() => onnx({ threads: 2 })).toThrow("Cross-Origin-Embedder-Policy");
    for (const threads of [0, 1.5, 1000]) expect(() => onnx({ threads })).toThrow("expected a whole number from 1 to");
  });

  it("a worker that is not where it should be", async () => {
    const parted = onnx({ worker: "/nowhere/onnx-worker-wasm.js" });
    for (const attempt of [() => parted.describe(), () => parted.compile(tiny())]) {
      await expect(attempt()).rejects.toThrow(BackendUnavailableError);
      await expect(attempt()).rejects.toThrow(
        /^onnx: onnxruntime-web is missing \(npm install onnxruntime-web\).* its code onnx-worker-wasm\.js, .*onnx\(\{ worker: url \}\)/,
      );
    }
  });

  it(".wasm files that are not where they should be", async () => {
    const compile = onnx({ wasmPaths: "/nowhere/" }).compile(tiny());
    await expect(compile).rejects.toThrow(BackendUnavailableError);
    await expect(compile).rejects.toThrow(
      /onnxruntime-web does not load for the device "cpu" .*load\(\{ wasmPaths: \{ onnx: url \} \}\)/,
    );
  });
});
