import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  AbortError,
  type Backend,
  bind,
  constant,
  DeviceLostError,
  type Executable,
  fixtureInput,
  fixtureWeights,
  graph,
  input,
  ops,
  resnet,
  tensor,
  UnsupportedError,
  variable,
  variants,
} from "@residual/core";
import { onnx } from "@residual/onnx";
import { writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { inChildProcess, load } from "../index.ts";
import { temporaryFolder } from "../testing/folder.ts";
import { photo } from "../testing/photo.ts";

const folder = temporaryFolder();
const open = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32], name: "cifar_resnet20" });
const net = bind(open, fixtureWeights(open, "v1"));
const image = fixtureInput("v1", [2, 3, 32, 32]);

/** The processes whose parent this process is, but for those that were there before. */
const before = new Set(children());
const started = () => children().filter((pid) => !before.has(pid));

function children(parent: number = process.pid): readonly number[] {
  const tasks = readdirSync(`/proc/${parent}/task`);
  return tasks.flatMap((task) =>
    readFileSync(`/proc/${parent}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(holds()).toBe(true);
}

describe("a backend in a child process", () => {
  it("describes itself, and answers with the same bits, to calls that overlap too", async () => {
    const [backend, here] = [inChildProcess("onnx"), onnx()];
    expect(await backend.describe()).toEqual(await here.describe());
    await using there = await backend.compile(net);
    await using expected = await here.compile(net);
    const images = ["a", "b", "c"].map((salt) => fixtureInput(salt, [1, 3, 32, 32]));
    const found = await Promise.all(images.map((each) => there.run({ image: each })));
    for (const [index, each] of images.entries()) expect(found[index]).toEqual(await expected.run({ image: each }));
  });

  it("takes inputs as they are when run is called", async () => {
    await using executable = await inChildProcess("onnx").compile(net);
    const expected = await executable.run({ image });
    const mine = { ...image, data: image.data.slice() };
    const running = executable.run({ image: mine });
    mine.data.fill(0);
    expect(await running).toEqual(expected);
  });

  it("tells how far compiling is, and warns through the parent", async () => {
    const stages: string[] = [];
    const warnings: string[] = [];
    writeFileSync(
      folder.in("mine.mjs"),
      `import { reference } from "@residual/core";
       export default ({ onWarning }) => { onWarning("it is slow"); return { ...reference, name: "mine" }; };`,
    );
    const backend = inChildProcess(folder.in("mine.mjs"), { onWarning: (text) => warnings.push(text) });
    await using executable = await backend.compile(net, { onProgress: ({ stage }) => stages.push(stage) });
    await executable.run({ image });
    expect(warnings).toEqual(["it is slow"]);
    const onProgress = ({ stage }: { stage: string }) => stages.push(stage);
    await (await inChildProcess("onnx").compile(net, { onProgress })).dispose();
    expect([...new Set(stages)]).toEqual(["write weights", "load"]);
  });

  it("refuses as the backend itself does, with errors of the same classes", async () => {
    const backend = inChildProcess("onnx");
    await expect(backend.compile(open)).rejects.toThrow(UnsupportedError);
    await expect(inChildProcess("onx").compile(net)).rejects.toThrow("there is no backend onx; did you mean onnx?");
    const executable = await backend.compile(net);
    await expect(executable.run({ image: tensor([1], [1]) })).rejects.toMatchObject({
      code: "ShapeError",
      label: "run.B3",
    });
    await executable.dispose();
    await executable.dispose();
    await expect(executable.run({ image })).rejects.toThrow("onnx: run after dispose; compile the graph again");
  });

  it("stops what is aborted at once, and answers the rest", async () => {
    await using executable = await inChildProcess("reference").compile(net);
    const controller = new AbortController();
    const running = executable.run({ image }, { signal: controller.signal });
    const other = executable.run({ image });
    controller.abort("enough");
    await expect(running).rejects.toThrow(AbortError);
    await expect(running).rejects.toMatchObject({ cause: "enough" });
    expect((await other).logits.shape).toEqual([2, 10]);
    await expect(inChildProcess("onnx").compile(net, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });

  it("keeps variables in the child, and leaves them alone where a run is aborted", async () => {
    const x = input("x", [1]);
    const count = variable("count", tensor([1], [0]));
    const next = ops.add({ a: count, b: x });
    const counter = graph({
      name: "counter",
      inputs: { x },
      outputs: { next },
      updates: [{ variable: count, value: next }],
    });
    await using executable = await inChildProcess("onnx").compile(counter);
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const before = (await executable.read(["count"])).count!.data[0]!;
      const running = executable.run({ x: tensor([1], [1]) }, { signal: controller.signal });
      setImmediate(() => controller.abort());
      const isDone = await running.then(
        () => true,
        () => false,
      );
      expect((await executable.read(["count"])).count!.data[0]).toBe(before + Number(isDone));
    }
    await expect(executable.read(["cuont"])).rejects.toMatchObject({ code: "ShapeError", label: "read.V1" });
  });

  it("takes constants of every kind, from memory", async () => {
    const x = input("x", [2]);
    const weight = constant("weight", { dtype: "float64", shape: [2], data: new Float64Array([0.1, 1e-300]) });
    const sum = graph({ name: "sum", inputs: { x }, outputs: { y: ops.add({ a: x, b: weight }) } });
    await using executable = await inChildProcess("reference").compile(sum);
    expect((await executable.run({ x: tensor([2], [1, 0]) })).y.data).toEqual(new Float64Array([1.1, 1e-300]));
  });
});

describe("load in a child process", () => {
  it("classifies, by the weights' own file, and disposes the child", async () => {
    const path = folder.in("r18.safetensors");
    const model = resnet(variants.resnet18, { name: "resnet18" });
    await writeSafetensors(path, fixtureWeights(model, "v1").tensors);
    const stages = new Set<string>();
    const options = {
      model: "resnet18",
      weights: path,
      onProgress: ({ stage }: { stage: string }) => stages.add(stage),
    } as const;
    const classifier = await load({ ...options, isolation: "process" });
    expect(stages).not.toContain("write weights");
    const { name, library, reason } = classifier.backend;
    expect({ onnx: "onnxruntime-node", wasm: "@residual/wasm" }[name]).toBe(library);
    expect(reason).toMatch(/^native code on the CPU|^measured: /);
    await using here = await load({ ...options, backend: name });
    const picture = photo("chelsea.png");
    expect(await classifier.classify(picture)).toEqual(await here.classify(picture));
    expect(await classifier.features("avgpool", picture)).toEqual(await here.features("avgpool", picture));
    await classifier.dispose();
    await eventually(() => started().length === 0);
  });

  it("warns as the platform does where nobody asked to be told", async () => {
    writeFileSync(
      folder.in("slow.mjs"),
      `import { reference } from "@residual/core";
       export default ({ onWarning }) => { onWarning("it is slow"); return reference; };`,
    );
    const warned = once(process, "warning");
    await using _ = await load({ isolation: "process", backend: folder.in("slow.mjs") });
    expect(await warned).toEqual([expect.objectContaining({ name: "ResidualWarning", message: "it is slow" })]);
  });

  it("leaves no process where it fails", async () => {
    await expect(load({ isolation: "process", backend: "tfjs-node" })).rejects.toMatchObject({
      code: "BackendUnavailableError",
    });
    await eventually(() => started().length === 0);
  });
});

describe("the end of a process", () => {
  const running = async (): Promise<[Backend, Executable<"image", "logits">, number]> => {
    await eventually(() => started().length === 0);
    const backend = inChildProcess("reference");
    const executable = await backend.compile(net);
    return [backend, executable, started()[0]!];
  };

  it("of the child is a DeviceLostError for what runs in it, and the next compile starts another", async () => {
    const [backend, executable, pid] = await running();
    const runs = [executable.run({ image }), executable.run({ image })];
    process.kill(pid, "SIGKILL");
    for (const run of runs) await expect(run).rejects.toThrow(DeviceLostError);
    await expect(executable.run({ image })).rejects.toThrow(
      "reference: the child process that runs the model has ended (SIGKILL); compile the graph again",
    );
    await executable.dispose();
    await using again = await backend.compile(net);
    expect((await again.run({ image })).logits.shape).toEqual([2, 10]);
    expect(started()).toHaveLength(1);
  });

  const source = fileURLToPath(new URL("../index.ts", import.meta.url));
  const core = fileURLToPath(new URL("../../../core/src/index.ts", import.meta.url));
  const work = (backend: string, after: string) => `
    import { inChildProcess } from ${JSON.stringify(source)};
    import { bind, fixtureInput, fixtureWeights, resnet, variants } from ${JSON.stringify(core)};
    const open = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
    const image = fixtureInput("v1", [64, 3, 32, 32]);
    const executable = await inChildProcess(${JSON.stringify(backend)}).compile(bind(open, fixtureWeights(open, "v1")));
    ${after}`;
  const flags = ["--conditions=@residual/source"];

  it("of the parent, even by SIGKILL, ends the child", async () => {
    writeFileSync(
      folder.in("parent.mjs"),
      work("reference", `void executable.run({ image }); console.log("runs"); setInterval(() => {}, 1e6);`),
    );
    const parent: ChildProcess = spawn(process.execPath, [...flags, folder.in("parent.mjs")], {
      stdio: ["ignore", "pipe", 2],
    });
    await new Promise((resolve) => parent.stdout!.once("data", resolve));
    const [child] = children(parent.pid);
    parent.kill("SIGKILL");
    await eventually(
      () => !existsSync(`/proc/${child}`) || /^State:\tZ/m.test(readFileSync(`/proc/${child}/status`, "utf8")),
    );
  });

  it("of the parent waits for nothing once all is answered, disposed or not", async () => {
    writeFileSync(folder.in("ends.mjs"), work("onnx", `await executable.run({ image }); console.log("answered");`));
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, folder.in("ends.mjs")]);
    expect(stdout).toBe("answered\n");
  });

  it("of a thread in mid run leaves its process alive, five times, with no zombie and no file", async () => {
    writeFileSync(
      folder.in("thread.mjs"),
      `import { parentPort } from "node:worker_threads";
       ${work("onnx", `parentPort.postMessage("runs"); for (;;) await executable.run({ image });`)}`,
    );
    writeFileSync(
      folder.in("host.mjs"),
      `import { once } from "node:events";
       import { readdirSync, readFileSync } from "node:fs";
       import { Worker } from "node:worker_threads";
       for (let i = 0; i < 5; i++) {
         const thread = new Worker(${JSON.stringify(folder.in("thread.mjs"))}, { execArgv: ${JSON.stringify(flags)} });
         await once(thread, "message");
         await new Promise((resolve) => setTimeout(resolve, 10 + 15 * i));
         await thread.terminate();
       }
       await new Promise((resolve) => setTimeout(resolve, 500));
       const children = readdirSync("/proc/self/task").map((task) => readFileSync(\`/proc/self/task/\${task}/children\`, "utf8"));
       console.log("alive, with children:", children.join("").trim() || "none");`,
    );
    const env = { ...process.env, TMPDIR: folder.in("threads") };
    mkdirSync(env.TMPDIR);
    const { stdout } = await promisify(execFile)(process.execPath, [folder.in("host.mjs")], { env });
    expect(stdout).toBe("alive, with children: none\n");
    await eventually(() => readdirSync(env.TMPDIR).every((name) => !name.startsWith("residual-child")));
  });

  it("is what load() takes in a thread for native backends, where nobody says otherwise", async () => {
    writeFileSync(
      folder.in("loads.mjs"),
      `import { readdirSync, readFileSync } from "node:fs";
       import { workerData } from "node:worker_threads";
       import { load } from ${JSON.stringify(new URL("../index.ts", import.meta.url).href)};
       const environmentOf = (pid) => {
         try { return readFileSync("/proc/" + pid + "/environ", "utf8"); } catch { return ""; } // it has ended
       };
       const ours = (pid) => /^\\d+$/.test(pid) && environmentOf(pid).includes("MARK=" + process.env.MARK + "\\0");
       const hasChild = () => readdirSync("/proc").filter(ours).length > 1; // the kernel does not call it a child
       await using classifier = await load(workerData);
       console.log(classifier.backend.name, hasChild() ? "in a child" : "here");`,
    );
    writeFileSync(
      folder.in("threads.mjs"),
      `import { once } from "node:events";
       import { Worker } from "node:worker_threads";
       const workerData = JSON.parse(process.argv[2]);
       await once(new Worker(${JSON.stringify(folder.in("loads.mjs"))}, { execArgv: ${JSON.stringify(flags)}, workerData }), "exit");`,
    );
    for (const [options, expected] of [
      [{ backend: "onnx" }, "onnx in a child\n"],
      [{ backend: "onnx", isolation: "none" }, "onnx here\n"],
      [{ backend: "reference" }, "reference here\n"],
    ] as const) {
      const args = [folder.in("threads.mjs"), JSON.stringify(options)];
      const env = { ...process.env, MARK: randomUUID() };
      expect((await promisify(execFile)(process.execPath, args, { env })).stdout).toBe(expected);
    }
  });
});
