import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import {
  AbortError,
  type Answer,
  type Backend,
  BackendUnavailableError,
  constant,
  DeviceLostError,
  graph,
  input,
  OutOfMemoryError,
  ops,
  optimize,
  type Progress,
  parameter,
  reference,
  type Tensor,
  tensor,
  UnsupportedError,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { backendOn } from "../../backend.ts";
import type { OnnxOptions } from "../../options.ts";
import { slow, tiny, wide } from "../../testing/graphs.ts";
import { bitsOf, fill } from "../../testing/values.ts";
import { onnx } from "./backend.ts";
import { workOf } from "./inline-batch.ts";
import { notLoading } from "./package.ts";
import { nodeRuntime } from "./runtime.ts";

const stub = (file: string) => new URL(`../../testing/${file}`, import.meta.url).pathname;

/** All of it, even the shortest runs, in a thread. */
const threaded = (options: OnnxOptions = {}, name?: string) =>
  backendOn("onnx", nodeRuntime(options, { mostInline: 0, ...(name !== undefined && { name }) }));

const backend = onnx({ threads: 1 });
/** Where runs of `tiny` are carried out. */
const places: readonly (readonly [place: string, backend: (options: OnnxOptions) => Backend])[] = [
  ["on the caller's thread", onnx],
  ["in a thread of its own", threaded],
];
const imageOf = (seed: number, batch = 2) => fill([batch, 3, 8, 8], seed);

/** Roundings pile up over the seven nodes of `tiny`, none of which sums more than 64 numbers. */
function expectNear(found: Answer, expected: Answer): void {
  expect(found.shape).toEqual(expected.shape);
  const scale = Math.max(...expected.data.map(Math.abs));
  for (const [i, value] of found.data.entries())
    expect(Math.abs(value - expected.data[i]!)).toBeLessThan(7 * 64 * 2 ** -24 * scale);
}

/** Whether a promise is settled once everything that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  const first = await Promise.race([promise.catch(() => {}), new Promise((resolve) => setImmediate(resolve, open))]);
  return first !== open;
}

it("leaves a norm alone whose products with a convolution overflow", async () => {
  const x = input("x", [1, 1, 2, 2]);
  const c = (name: string, value: number) => constant(name, tensor([1], [value]));
  const weight = constant("weight", tensor([1, 1, 1, 1], [1e30]));
  const statistics = { scale: c("scale", 1e10), shift: c("shift", 0), mean: c("mean", 0), variance: c("variance", 1) };
  const y = ops.batchNorm({ x: ops.conv2d({ x, weight }), ...statistics }, { epsilon: 0 });
  await using executable = await backend.compile(graph({ name: "large", inputs: { x }, outputs: { y } }));
  const found = await executable.run({ x: tensor([1, 1, 2, 2], [1e-25, -2e-25, 0, 3e-25]) });
  // by hand: 1e30 · 1e10 · x, though 1e40 is beyond float32
  const expected = tensor([1, 1, 2, 2], [1e15, -2e15, 0, 3e15]);
  expectNear(found.y, expected);
}, 20_000);

/** By hand: a window that begins at the border sees a zero, which is more than any pixel. */
it.each(places)("zeros around an image take part in a max pool, %s", async (_, backendWith) => {
  const x = input("x", [1, 1, 4, 4]);
  const y = ops.maxPool2d({ x: ops.zeroPad2d({ x }, { padding: 1 }) }, { window: 3, stride: 2 });
  await using executable = await backendWith({ threads: 1 }).compile(
    graph({ name: "pad", inputs: { x }, outputs: { y } }),
  );
  const answer = await executable.run({
    x: tensor(
      [1, 1, 4, 4],
      Array.from({ length: 16 }, (_, i) => -1 - i),
    ),
  });
  expect(Array.from(answer.y.data, (value) => value + 0)).toEqual([0, 0, 0, -6]);
});

describe("the backend", () => {
  it("describes what it runs on", async () => {
    const { deviations, ...rest } = await backend.describe();
    expect(rest).toEqual({ library: "onnxruntime-node", version: "1.30.0", device: "cpu", dtypes: ["float32"] });
    expect(deviations?.every(({ because }) => because.includes("onnxruntime"))).toBe(true); // conformance tries each
  });

  it("names the package to install where the runtime is missing, or does not load", async () => {
    const missing = backendOn("onnx", nodeRuntime({}, { name: "onnxruntime-missing" }));
    await expect(missing.describe()).rejects.toThrow(BackendUnavailableError);
    for (const each of [missing, threaded({}, "onnxruntime-missing")])
      await expect(each.compile(tiny())).rejects.toThrow(
        "onnxruntime-missing is not installed; npm install onnxruntime-node --onnxruntime-node-install=skip",
      );
    const broken = backendOn("onnx", nodeRuntime({}, { name: stub("broken-runtime.cjs") }));
    await expect(broken.describe()).rejects.toThrow(BackendUnavailableError); // so that another may be chosen
    for (const each of [broken, threaded({}, stub("broken-runtime.cjs"))]) {
      await expect(each.compile(tiny())).rejects.toThrow(BackendUnavailableError);
      await expect(each.compile(tiny())).rejects.toThrow(
        /does not load \(libonnxruntime.*npm install onnxruntime-node/,
      );
    }
  });

  it("describes a package that was installed after it was missing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "residual-test-"));
    try {
      const name = join(folder, "runtime");
      const late = backendOn("onnx", nodeRuntime({}, { name }));
      await expect(late.describe()).rejects.toThrow("is not installed");
      await mkdir(name);
      await copyFile(stub("dying-runtime.cjs"), join(name, "index.cjs"));
      await writeFile(join(name, "package.json"), '{"version":"9.9.9","main":"index.cjs"}');
      expect(await late.describe()).toMatchObject({ version: "9.9.9" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says in one line why a package does not load, and what Alpine lacks", () => {
    const lines = "Cannot find module 'x.node'\nRequire stack:\n- y";
    expect(notLoading("onnxruntime-node", lines, undefined).message).toBe(
      "onnx: onnxruntime-node does not load (Cannot find module 'x.node'); npm install onnxruntime-node --onnxruntime-node-install=skip",
    );
    const musl = "Error loading shared library ld-linux-x86-64.so.2: No such file or directory";
    expect(notLoading("onnxruntime-node", musl, undefined).message).toContain("it needs a recent glibc");
  });

  it("names the thread's code where a bundler has parted it from the rest", async () => {
    const parted = onnx({ worker: "/bundle/onnx-worker.js" }).compile(slow());
    await expect(parted).rejects.toThrow(BackendUnavailableError);
    await expect(parted).rejects.toThrow("/bundle/onnx-worker.js is missing");
    await expect(parted).rejects.toThrow("onnx({ worker: path })");
  });

  it.each(["file", "path"])("takes its place as a %s", async (form) => {
    const url = new URL("./onnx-worker.ts", import.meta.url);
    const worker = form === "path" ? url.pathname : url.href;
    await using executable = await threaded({ worker, threads: 1 }).compile(tiny());
    expect((await executable.run({ image: imageOf(1) })).logits.shape).toEqual([2, 5]);
  });

  it("says so when its worker is lost, again and again", async () => {
    const lost = await threaded({}, stub("dying-runtime.cjs")).compile(tiny());
    const runs = [lost.run({ image: imageOf(1) }), lost.run({ image: imageOf(1) })];
    for (const run of runs) await expect(run).rejects.toThrow(DeviceLostError);
    await expect(lost.run({ image: imageOf(1) })).rejects.toThrow(
      "the worker thread that runs the model has ended; compile the graph again",
    );
    await lost.dispose();
    await expect(lost.run({ image: imageOf(1) })).rejects.toThrow("run after dispose");
  });

  it.each([0, -1, 1.5, Number.NaN, 4 * availableParallelism() + 1, 100_000])("refuses %d threads", (threads) => {
    expect(() => onnx({ threads })).toThrow(UnsupportedError);
    expect(() => onnx({ threads })).toThrow("expected a whole number from 1 to");
  });

  it("refuses open parameters, and tells the way out", async () => {
    const x = input("x", [1, 2]);
    const open = graph({
      name: "open",
      inputs: { x },
      outputs: { y: ops.linear({ x, weight: parameter("fc.weight", [3, 2]) }) },
    });
    await expect(backend.compile(open)).rejects.toThrow(
      "1 parameters of open are open (fc.weight, …); bind them first",
    );
  });

  it("tells its progress", async () => {
    const seen: Progress[] = [];
    await using _ = await backend.compile(tiny(), { onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ stage, done }) => `${stage} ${done}`)).toEqual(["load 0", "load 1"]);
  });

  it.each([0, 1, 10, 40, 120])("stops compiling when it is aborted after %d ms", async (milliseconds) => {
    const compile = backend.compile(wide(1024, 8), { signal: AbortSignal.timeout(milliseconds) });
    await compile.then(
      (executable) => executable.dispose(),
      (error) => expect(error).toBeInstanceOf(AbortError),
    );
    await expect(backend.compile(tiny(), { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });
});

it("a function that starts a worker is for pages", () => {
  const start = () => expect.unreachable("started");
  expect(() => onnx({ worker: start })).toThrow("in Node give the path or URL of the worker's code");
});

describe("worker: false", () => {
  it("runs all on the caller's thread", async () => {
    const here = onnx({ worker: false, threads: 1 });
    expect(here).not.toHaveProperty("warmUp");
    await using executable = await here.compile(slow());
    await using there = await threaded({ threads: 1 }).compile(slow());
    const image = fill([1, 256, 28, 28], 1);
    expect(bitsOf((await executable.run({ image })).y)).toBe(bitsOf((await there.run({ image })).y));
    expect(() => onnx({ worker: false, device: "webgpu" })).toThrow(UnsupportedError);
  });

  it("needs no code of a thread", async () => {
    await using executable = await onnx({ worker: false }).compile(slow());
    const worker = "/bundle/onnx-worker.js";
    await expect(onnx({ worker }).compile(slow())).rejects.toThrow(BackendUnavailableError);
    expect((await executable.run({ image: fill([1, 256, 28, 28], 1) })).y.shape).toEqual([1, 256, 28, 28]);
  });
});

describe.each(places)("run, %s", (_, on) => {
  const backend = on({ threads: 1 });

  it.each([{ spin: true }, { threads: 2 }, {}])("answers as the reference does, with %o", async (options) => {
    await using executable = await on(options).compile(tiny());
    const expected = await (await reference.compile(tiny())).run({ image: imageOf(1) });
    const { logits } = await executable.run({ image: imageOf(1) });
    expect([logits.dtype, logits.data.constructor]).toEqual(["float32", Float32Array]);
    expectNear(logits, expected.logits);
  });

  it("gives overlapping runs their own answers, of their own batch", async () => {
    await using executable = await backend.compile(tiny());
    const images = Array.from({ length: 8 }, (_, i) => imageOf(i, 1 + (i % 3)));
    const alone: Answer[] = [];
    for (const image of images) alone.push((await executable.run({ image })).logits);
    const order: number[] = [];
    const runs = images.map((image, i) => executable.run({ image }).finally(() => order.push(i)));
    const together = await Promise.all(runs);
    expect(together.map(({ logits }) => bitsOf(logits))).toEqual(alone.map(bitsOf));
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("leaves inputs as they are, and takes them as they were", async () => {
    await using executable = await backend.compile(tiny());
    const whole = new Float32Array(1000).fill(7);
    const data = whole.subarray(100, 100 + 192);
    data.set(imageOf(1, 1).data);
    const before = whole.slice();
    const { logits: expected } = await executable.run({ image: imageOf(1, 1) });
    const run = executable.run({ image: { dtype: "float32", shape: [1, 3, 8, 8], data } });
    expect(whole).toEqual(before);
    data.fill(0);
    expect(bitsOf((await run).logits)).toBe(bitsOf(expected));
  });

  it("takes inputs in shared memory", async () => {
    await using executable = await backend.compile(tiny());
    const data = new Float32Array(new SharedArrayBuffer(192 * 4));
    data.set(imageOf(1, 1).data);
    const { logits } = await executable.run({ image: { dtype: "float32", shape: [1, 3, 8, 8], data } });
    expect(bitsOf(logits)).toBe(bitsOf((await executable.run({ image: imageOf(1, 1) })).logits));
  });

  it("refuses wrong names, shapes and dtypes", async () => {
    await using executable = await backend.compile(tiny(2));
    const image = imageOf(1);
    const run = (inputs: object) => executable.run(inputs as { image: Tensor<"float32"> });
    await expect(run({})).rejects.toThrow("run.B1");
    await expect(run({ picture: image })).rejects.toThrow("run.B1");
    await expect(run({ image, more: image })).rejects.toThrow("run.B1");
    await expect(run({ image: { ...image, dtype: "float64", data: Float64Array.from(image.data) } })).rejects.toThrow(
      "run.B2",
    );
    await expect(run({ image: { ...image, data: image.data.subarray(1) } })).rejects.toThrow("run.B2");
    await expect(run({ image: imageOf(1, 3) })).rejects.toThrow("run.B3");
    await expect(run({ image })).resolves.toBeDefined();
  });
});

describe("short runs and long ones", () => {
  const most = workOf(optimize(tiny()), 4);
  const split = () => backendOn("onnx", nodeRuntime({ threads: 1 }, { mostInline: most }));

  it("have the same bits, whichever comes first", async () => {
    await using executable = await split().compile(tiny());
    await using alone = await threaded({ threads: 1 }).compile(tiny());
    for (const batches of [
      [5, 4],
      [1, 6, 2],
    ])
      for (const batch of batches) {
        const image = imageOf(batch, batch);
        const { logits } = await alone.run({ image });
        expect(bitsOf((await executable.run({ image })).logits)).toBe(bitsOf(logits));
      }
  });

  it("may overlap, and the caller's memory change meanwhile", async () => {
    await using executable = await split().compile(tiny());
    const images = [1, 8, 2, 9, 3].map((batch) => imageOf(batch, batch));
    const expected = images.map(({ data }) => data.slice());
    const runs = images.map((image) => executable.run({ image }));
    for (const { data } of images) data.fill(0);
    for (const [i, run] of runs.entries()) {
      const data = expected[i]!;
      const { logits } = await executable.run({ image: { ...images[i]!, data } });
      expect(bitsOf((await run).logits)).toBe(bitsOf(logits));
    }
  });

  it("can be aborted and disposed of while the thread starts", async () => {
    const executable = await split().compile(tiny());
    const controller = new AbortController();
    const aborted = executable.run({ image: imageOf(1, 8) }, { signal: controller.signal });
    const long = executable.run({ image: imageOf(1, 8) });
    controller.abort();
    await expect(aborted).rejects.toThrow(AbortError);
    await executable.dispose();
    expect((await long).logits.shape).toEqual([8, 5]);
    await expect(executable.run({ image: imageOf(1, 8) })).rejects.toThrow("run after dispose");
  });

  it("get the error of a thread that cannot start, and the short ones go on", async () => {
    const parted = backendOn("onnx", nodeRuntime({ worker: "/bundle/onnx-worker.js" }, { mostInline: most }));
    await using executable = await parted.compile(tiny());
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(executable.run({ image: imageOf(1, 8) })).rejects.toThrow("/bundle/onnx-worker.js is missing");
      expect((await executable.run({ image: imageOf(1, 1) })).logits.shape).toEqual([1, 5]);
    }
  });
});

describe.skipIf(process.platform !== "linux")("warmUp", () => {
  const threads = async () => (await readdir("/proc/self/task")).length;

  it("starts a thread that the next compile takes", async () => {
    const before = await threads();
    const warm = threaded({ threads: 1 });
    const disposable = warm.warmUp!();
    warm.warmUp!(); // once more does nothing
    await using executable = await warm.compile(tiny());
    const running = await threads();
    await disposable[Symbol.asyncDispose]();
    expect(await threads()).toBe(running);
    expect((await executable.run({ image: imageOf(1) })).logits.shape).toEqual([2, 5]);
    await executable.dispose();
    expect(await threads()).toBe(before);
  });

  it("leaves nothing behind where no compile takes it", async () => {
    const before = await threads();
    await backend.warmUp!()[Symbol.asyncDispose]();
    await threaded({}, "no-such-runtime").warmUp!()[Symbol.asyncDispose]();
    expect(await threads()).toBe(before);
  });

  it("leaves it to the compile to tell what is missing", async () => {
    const missing = threaded({}, "no-such-runtime");
    await using _ = missing.warmUp!();
    await expect(missing.compile(tiny())).rejects.toThrow(BackendUnavailableError);
  });
});

describe("on the caller's thread", () => {
  it("each run has a turn of the event loop", async () => {
    await using executable = await backend.compile(tiny());
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all(Array.from({ length: 50 }, () => executable.run({ image: imageOf(1) })));
    expect(turns).toBeGreaterThanOrEqual(50);
    turns = 0;
    for (let i = 0; i < 50; i++) await executable.run({ image: imageOf(1) });
    expect(turns).toBeGreaterThanOrEqual(50);
    isOver = true;
  });

  it("an aborted run that waits is not begun", async () => {
    const counting = backendOn("onnx", nodeRuntime({}, { name: stub("counting-runtime.cjs") }));
    const { runs } = (await import(stub("counting-runtime.cjs"))) as { runs: { count: number } };
    await using executable = await counting.compile(tiny());
    const controller = new AbortController();
    const { signal } = controller;
    const first = executable.run({ image: imageOf(1) });
    const waiting = Array.from({ length: 20 }, () => executable.run({ image: imageOf(1) }, { signal }));
    const last = executable.run({ image: imageOf(1) });
    controller.abort();
    for (const run of waiting) await expect(run).rejects.toThrow(AbortError);
    await Promise.all([first, last]);
    expect(runs.count).toBe(2);
  });

  it("says what onnxruntime could not do, and goes on", async () => {
    const counting = backendOn("onnx", nodeRuntime({}, { name: stub("counting-runtime.cjs") }));
    await using executable = await counting.compile(tiny());
    const failing = fill([1, 3, 8, 8], 1);
    failing.data[0] = Number.NaN; // at which the stub fails
    await expect(executable.run({ image: failing })).rejects.toThrow(/refused node conv: .*Name:'conv'/);
    expect((await executable.run({ image: imageOf(1, 1) })).logits.shape).toEqual([1, 1]);
  });
});

describe("a run that fails", () => {
  it("says which node onnxruntime could not run, and goes on", async () => {
    const x = input("x", ["N", 1, 512, 512]);
    const huge = graph({ name: "huge", inputs: { x }, outputs: { y: ops.padChannels({ x }, { after: 4e5 }) } });
    await using executable = await backend.compile(huge);
    const run = executable.run({ x: fill([1, 1, 512, 512], 1) }); // asks for 400 GB
    await expect(run).rejects.toThrow(OutOfMemoryError);
    await expect(executable.run({ x: tensor([1, 1, 2, 2], [1, 2, 3, 4]) })).rejects.toThrow("run.B3");
  });
});

describe.each(places)("abort, %s", (_, on) => {
  const backend = on({ threads: 1 });

  it("before a run", async () => {
    await using executable = await backend.compile(tiny());
    const signal = AbortSignal.abort("changed my mind");
    await expect(executable.run({ image: imageOf(1) }, { signal })).rejects.toMatchObject({
      code: "AbortError",
      cause: "changed my mind",
    });
  });

  it("of a run that waits: it is not begun", async () => {
    await using executable = await backend.compile(slow());
    const image = fill([1, 256, 28, 28], 1);
    const start = performance.now();
    const { y: expected } = await executable.run({ image });
    const once = performance.now() - start;
    const controller = new AbortController();
    const first = executable.run({ image });
    const aborted = Array.from({ length: 20 }, () => executable.run({ image }, { signal: controller.signal }));
    const last = executable.run({ image });
    const begun = performance.now();
    controller.abort();
    for (const run of aborted) await expect(run).rejects.toThrow(AbortError);
    expect(bitsOf((await first).y)).toBe(bitsOf(expected));
    expect(bitsOf((await last).y)).toBe(bitsOf(expected));
    expect(performance.now() - begun).toBeLessThan(once * 12); // 22 runs, had the 20 been done
  });

  it("of a run under way: it rejects at once, and its late answer goes nowhere", async () => {
    await using executable = await backend.compile(slow());
    const image = fill([2, 256, 28, 28], 1);
    const other = fill([1, 256, 28, 28], 2);
    const { y: expected } = await executable.run({ image: other });
    const controller = new AbortController();
    const run = executable.run({ image }, { signal: controller.signal });
    const next = executable.run({ image: other });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await isSettled(run)).toBe(false);
    controller.abort();
    expect(await isSettled(run)).toBe(true);
    await expect(run).rejects.toThrow(AbortError);
    expect(await isSettled(next)).toBe(false);
    expect(bitsOf((await next).y)).toBe(bitsOf(expected));
  });

  it("after a run changes nothing, and leaves no listener", async () => {
    await using executable = await backend.compile(tiny());
    const controller = new AbortController();
    let listeners = 0;
    const signal = {
      aborted: false,
      reason: undefined,
      addEventListener: () => void listeners++,
      removeEventListener: () => void listeners--,
    };
    await executable.run({ image: imageOf(1) }, { signal: controller.signal });
    controller.abort();
    await executable.run({ image: imageOf(1) }, { signal });
    expect(listeners).toBe(0);
  });
});

describe.each(places)("dispose, %s", (_, on) => {
  const backend = on({ threads: 1 });

  it("may be called again, and meanwhile", async () => {
    const executable = await backend.compile(tiny());
    await Promise.all([executable.dispose(), executable.dispose(), executable[Symbol.asyncDispose]()]);
    await executable.dispose();
    await expect(executable.run({ image: imageOf(1) })).rejects.toThrow(
      "onnx: run after dispose; compile the graph again",
    );
    await expect(executable.run({ image: imageOf(1) })).rejects.toThrow(UnsupportedError);
  });

  it("waits for what runs, and leaves answers valid", async () => {
    const executable = await backend.compile(slow());
    const image = fill([1, 256, 28, 28], 1);
    const runs = [executable.run({ image }), executable.run({ image })];
    const disposed = executable.dispose();
    await expect(executable.run({ image })).rejects.toThrow("run after dispose");
    const [first, second] = await Promise.all(runs);
    await disposed;
    expect(bitsOf(first!.y)).toBe(bitsOf(second!.y));
  });

  it("lets other executables of the backend go on", async () => {
    const [first, second] = await Promise.all([backend.compile(tiny()), backend.compile(tiny())]);
    const { logits } = await first.run({ image: imageOf(3) });
    await first.dispose();
    expect(bitsOf((await second.run({ image: imageOf(3) })).logits)).toBe(bitsOf(logits));
    await second.dispose();
  });
});

describe.each(places)("a graph without weights, and one that only copies, %s", (_, on) => {
  const backend = on({ threads: 1 });

  it("runs", async () => {
    const x = input("x", [2, 2]);
    const weight = constant("w", tensor([1, 2], [3, 4]));
    await using executable = await backend.compile(
      graph({ name: "copy", inputs: { x }, outputs: { x, y: x, weight } }),
    );
    const given = tensor([2, 2], [1, 2, 3, 4]);
    const { x: same, y, weight: w } = await executable.run({ x: given });
    expect([same.data, y.data]).toEqual([given.data, given.data]);
    expect(w).toEqual({ dtype: "float32", shape: [1, 2], data: Float32Array.of(3, 4) });
  });
});
