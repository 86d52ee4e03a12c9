import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { DeviceLostError, fixtureInput, fixtureWeights, resnet, ShapeError, tensor, variants } from "@residual/core";
import { encodeImage, overlayCam } from "@residual/vision";
import { writeSafetensors } from "@residual/weights";
import { afterEach, describe, expect, it, vi } from "vitest";
import { load } from "../index.ts";
import { temporaryFolder } from "../testing/folder.ts";
import { photo } from "../testing/photo.ts";
import { type BatchReport, openServing } from "./index.ts";

const cat = readFileSync(photo("chelsea.png"));
const folder = temporaryFolder();
afterEach(() => vi.unstubAllEnvs());

/** The processes whose parent this process is. */
function children(): readonly number[] {
  return readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(holds()).toBe(true);
}

/** A backend whose runs take 200 ms, and whose process ends where an image starts with 666. */
async function slowBackend(): Promise<string> {
  const core = import.meta.resolve("@residual/core");
  writeFileSync(
    folder.in("slow.mjs"),
    `import { reference } from ${JSON.stringify(core)};
     const slow = (executable) => ({
       ...executable,
       async run(inputs, options) {
         if (inputs.image.data[0] === 666) process.exit(3);
         await new Promise((resolve) => setTimeout(resolve, 200));
         const [n] = inputs.image.shape;
         const numbers = (size) => ({ dtype: "float32", shape: [n, size], data: new Float32Array(n * size) });
         return { logits: numbers(10), avgpool: numbers(64) };
       },
     });
     export default () => ({
       ...reference,
       name: "slow",
       compile: async (...given) => slow(await reference.compile(...given)),
     });`,
  );
  return folder.in("slow.mjs");
}

describe("a served model", () => {
  it("answers as a classifier does, bit for bit", async () => {
    const reports: BatchReport[] = [];
    await using serving = await openServing({
      backend: "onnx",
      workers: 2,
      maxBatch: 4,
      onBatch: (each) => reports.push(each),
    });
    const model = await serving.load("cifar");
    await using classifier = await load({ backend: "onnx" });
    expect(await model.classify(cat, { top: 3 })).toEqual(await classifier.classify(cat, { top: 3 }));
    expect(await model.embed(cat)).toEqual((await classifier.features("avgpool", cat)).data);
    expect(await model.cam(cat, { class: "dog" })).toEqual(await classifier.cam(cat, { class: "dog" }));
    const image = fixtureInput("v1", [7, 3, 32, 32]);
    const { logits } = await classifier.executable.run({ image });
    const found = await model.infer(image, { outputs: ["logits", "embedding", "probabilities"] });
    expect(found.logits).toEqual(logits);
    expect(found.embedding!.shape).toEqual([7, 64]);
    expect(found.probabilities!.data.reduce((sum, each) => sum + each, 0)).toBeCloseTo(7, 5);
    expect(reports.map(({ images }) => images).toSorted((a, b) => a - b)).toEqual([1, 1, 1, 3, 4]);
    expect({ inputs: model.inputs, outputs: model.outputs, state: model.state }).toEqual({
      inputs: [{ name: "image", shape: ["N", 3, 32, 32] }],
      outputs: [
        { name: "logits", shape: ["N", 10] },
        { name: "probabilities", shape: ["N", 10] },
        { name: "embedding", shape: ["N", 64] },
      ],
      state: "ready",
    });
  });

  it("refuses wrong inputs, and pictures that cannot be read", async () => {
    await using serving = await openServing({ backend: "onnx", maxPixels: 10_000 });
    const model = await serving.load("cifar");
    await expect(model.infer(tensor([1], [1]))).rejects.toThrow(ShapeError);
    await expect(model.classify(cat.subarray(0, 1000))).rejects.toMatchObject({ code: "FormatError" });
    await expect(model.classify(cat)).rejects.toThrow("10000");
    await expect(model.cam(cat, { class: "cow" })).rejects.toThrow("cow");
    await expect(serving.unload("cifra")).rejects.toThrow("cifar");
  });
});

describe("loading", () => {
  it("of a bad model leaves the others as they are, and nothing open", async () => {
    const open = resnet(variants.cifar_resnet20, { name: "cifar_resnet20" });
    const { tensors } = fixtureWeights(open, "v1");
    const bad = new Map([...tensors].map(([name, each]) => [name, name === "fc.weight" ? tensor([1], [1]) : each]));
    await writeSafetensors(folder.in("bad.safetensors"), bad);
    await using serving = await openServing({ backend: "onnx" });
    const model = await serving.load("good");
    const options = { model: "cifar_resnet20", weights: folder.in("bad.safetensors") };
    await expect(serving.load("bad", options)).rejects.toMatchObject({ code: "WeightsError" });
    const none = serving.load("none", { weights: folder.in("none.pth") });
    await expect(none).rejects.toMatchObject({ code: "WeightsError" });
    await expect(serving.load("late", {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "AbortError",
    });
    expect([...serving.models.keys()]).toEqual(["good"]);
    expect(await model.classify(cat, { top: 1 })).toMatchObject([{ label: "cat" }]);
  });

  it("of an unknown backend leaves no process", async () => {
    const before = children();
    await expect(openServing({ backend: "tfjs-node" })).rejects.toMatchObject({ code: "BackendUnavailableError" });
    await expect(openServing({ backend: "onxn" })).rejects.toThrow("onnx");
    await eventually(() => children().every((pid) => before.includes(pid)));
  });

  it("under a name in use answers the former model's requests first, as does unloading", async () => {
    await using serving = await openServing({ backend: await slowBackend(), workers: 1, maxBatch: 2 });
    const former = await serving.load("m");
    const requests = [
      former.infer(fixtureInput("v1", [2, 3, 32, 32])),
      former.infer(fixtureInput("v1", [2, 3, 32, 32])),
    ];
    const model = await serving.load("m");
    for (const request of requests) expect((await request).logits!.shape).toEqual([2, 10]);
    expect(serving.models.get("m")).toBe(model);
    const last = model.infer(fixtureInput("v1", [3, 3, 32, 32]));
    const picture = model.embed(cat);
    const unloading = serving.unload("m");
    await expect(model.infer(fixtureInput("v1", [1, 3, 32, 32]))).rejects.toMatchObject({ code: "UnavailableError" });
    expect((await last).logits!.shape).toEqual([3, 10]);
    expect(await picture).toHaveLength(64);
    await unloading;
    expect(serving.models.size).toBe(0);
  });
});

it("draws the map of a picture over it", async () => {
  await using serving = await openServing({ backend: "wasm", workers: 1 });
  const model = await serving.load("m");
  const expected = await encodeImage(overlayCam(await model.cam(cat, { class: "dog" })));
  expect(await model.drawCam(cat, { class: "dog" })).toEqual(new Uint8Array(expected));
});

describe("the end of a worker", () => {
  it("fails what runs in it, and the others go on while it is replaced", async () => {
    const before = children();
    const serving = await openServing({ backend: await slowBackend(), workers: 2, maxBatch: 1 });
    const model = await serving.load("m");
    const workers = children().filter((pid) => !before.includes(pid));
    const deadly = tensor([1, 3, 32, 32], new Float32Array(3072).fill(666));
    const good = fixtureInput("v1", [1, 3, 32, 32]);
    const requests = [model.infer(deadly), model.infer(good), model.infer(good), model.infer(good)];
    await expect(requests[0]).rejects.toThrow(DeviceLostError);
    for (const request of requests.slice(1)) expect((await request).logits!.shape).toEqual([1, 10]);
    await eventually(() => children().filter((pid) => !before.includes(pid)).length === 2);
    expect(children().filter((pid) => workers.includes(pid))).toHaveLength(1);
    await Promise.all(Array.from({ length: 4 }, () => model.infer(good)));
    const idle = children().find((pid) => !before.includes(pid))!;
    process.kill(idle, "SIGKILL");
    await eventually(() => !children().includes(idle));
    await eventually(() => children().filter((pid) => !before.includes(pid)).length === 2);
    await Promise.all(Array.from({ length: 4 }, () => model.infer(good)));
    await serving.dispose();
    await eventually(() => children().every((pid) => before.includes(pid)));
  });

  it("is reported, and leaves no files that were written for it", async () => {
    const before = children();
    const warnings: string[] = [];
    vi.stubEnv("TMPDIR", folder.path);
    const files = () => readdirSync(folder.path).filter((name) => name.startsWith("residual-child-"));
    await using serving = await openServing({ backend: "wasm", workers: 1, onWarning: (text) => warnings.push(text) });
    const model = await serving.load("m", { model: "cifar_resnet20", weights: "fixture:v1" });
    const [written] = files();
    const worker = children().find((pid) => !before.includes(pid))!;
    const answer = model.infer(fixtureInput("v1", [128, 3, 32, 32]));
    process.kill(worker, "SIGKILL");
    await expect(answer).rejects.toThrow("the worker that ran the model has ended, and is being replaced; try again");
    await eventually(() => model.state === "ready");
    expect(warnings).toEqual(["a worker has ended (SIGKILL), and is being replaced"]);
    expect(files()).toEqual([expect.not.stringMatching(written!)]);
  });

  it("while it loads a model fails the load, and says what to do", async () => {
    const core = import.meta.resolve("@residual/core");
    writeFileSync(
      folder.in("ending.mjs"),
      `import { reference } from ${JSON.stringify(core)};
       export default () => ({ ...reference, name: "ending", compile: () => process.exit(3) });`,
    );
    await using serving = await openServing({ backend: folder.in("ending.mjs"), workers: 1, onWarning: () => {} });
    const error = new DeviceLostError(
      "the worker has ended while it loaded the model, and is being replaced; try again",
    );
    await expect(serving.load("m")).rejects.toThrow(error);
  });

  it("that cannot be replaced is tried again, and the model is then failed", async () => {
    const path = folder.in("moving.safetensors");
    const open = resnet(variants.cifar_resnet20, { name: "cifar_resnet20" });
    await writeSafetensors(path, fixtureWeights(open, "v1").tensors);
    const bytes = readFileSync(path);
    const before = children();
    const warnings: string[] = [];
    await using serving = await openServing({
      backend: "onnx",
      workers: 1,
      onWarning: (text) => warnings.push(text),
    });
    const model = await serving.load("m", { model: "cifar_resnet20", weights: path });
    writeFileSync(path, bytes.subarray(0, 100));
    process.kill(children().find((pid) => !before.includes(pid))!, "SIGKILL");
    await eventually(() => model.state === "failed");
    expect(warnings.at(-1)).toMatch(/a worker could not be replaced.*moving/);
    await expect(model.classify(cat)).rejects.toThrow(DeviceLostError);
    writeFileSync(path, bytes);
    await eventually(() => model.state === "ready");
    expect(await model.classify(cat)).toHaveLength(5);
  });
});

describe("the end of a serving", () => {
  it("drains: refuses what is new, and answers what waits", async () => {
    await using serving = await openServing({ backend: await slowBackend(), workers: 1, maxBatch: 2 });
    const model = await serving.load("m");
    const waiting = model.infer(fixtureInput("v1", [4, 3, 32, 32]));
    const picture = model.embed(cat);
    const draining = serving.drain();
    await expect(model.classify(cat)).rejects.toMatchObject({ code: "UnavailableError" });
    await expect(serving.load("other")).rejects.toMatchObject({ code: "UnavailableError" });
    await draining;
    expect((await waiting).logits!.shape).toEqual([4, 10]);
    expect(await picture).toHaveLength(64);
  });

  it("by dispose rejects what waits, and leaves no process", async () => {
    const before = children();
    const serving = await openServing({ backend: await slowBackend(), workers: 1, maxBatch: 1 });
    const model = await serving.load("m");
    const runs = [1, 2, 3].map(() => model.infer(fixtureInput("v1", [1, 3, 32, 32])));
    const outcomes = Promise.allSettled(runs);
    await serving.dispose();
    expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    await eventually(() => children().every((pid) => before.includes(pid)));
  });
});
