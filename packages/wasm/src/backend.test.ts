import {
  AbortError,
  BackendUnavailableError,
  constant,
  type Executable,
  graph,
  input,
  OutOfMemoryError,
  ops,
  type Progress,
  reference,
  tensor,
  UnsupportedError,
  variable,
} from "@residual/core";
import { wasm } from "@residual/wasm";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { WasmOptions } from "./options.ts";
import { bitsOf, imageOf, residual } from "./testing/graphs.ts";

/** The part of the platform's WebAssembly that tests change: the package is checked without the DOM. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<object>;
};

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Every place where runs are done. A page that is not isolated shares no memory. */
const places: readonly [name: string, options: WasmOptions, isIsolated?: false][] = [
  ["the caller's thread", { worker: false }],
  ["two threads", { threads: 2 }],
  ["three threads", { threads: 3 }],
  ["a worker that shares its memory", { threads: 1, worker: true }],
  ["a worker that owns its memory", { worker: true }, false],
  ["what is chosen", {}],
];

describe.each(places)("on %s", (...place) => {
  const [, options, isIsolated] = place;
  const backend = () => {
    if (isIsolated === false) vi.stubGlobal("crossOriginIsolated", false);
    return wasm(options);
  };

  it("gives the bits of one thread, for any batch", async () => {
    await using alone = await wasm({ worker: false }).compile(residual(20));
    await using executable = await backend().compile(residual(20));
    for (const batch of [1, 5, 2]) {
      const image = imageOf(batch, 20, `batch ${batch}`);
      const expected = await alone.run({ image });
      for (let run = 0; run < 5; run++)
        expect(bitsOf((await executable.run({ image })).logits)).toEqual(bitsOf(expected.logits));
    }
  });

  it("answers 64 runs that overlap, of three executables, each by its own image", async () => {
    const model = residual(12);
    await using alone = await wasm({ worker: false }).compile(model);
    const executables = await Promise.all([1, 2, 3].map(() => backend().compile(model)));
    const images = Array.from({ length: 64 }, (_, i) => imageOf(1 + (i % 3), 12, String(i)));
    const answers = await Promise.all(images.map((image, i) => executables[i % 3]!.run({ image })));
    for (const [i, image] of images.entries())
      expect(bitsOf(answers[i]!.logits)).toEqual(bitsOf((await alone.run({ image })).logits));
    await Promise.all(executables.map((each) => each.dispose()));
  });

  it("ends an aborted run, and is right in the next", async () => {
    await using executable = await backend().compile(residual(64));
    const image = imageOf(1, 64);
    const expected = bitsOf((await executable.run({ image })).logits);
    const controller = new AbortController();
    const running = executable.run({ image: imageOf(32, 64) }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expect(running).rejects.toThrow(AbortError);
    expect(bitsOf((await executable.run({ image })).logits)).toEqual(expected);
  });

  it("answers a run that dispose met, and refuses later ones", async () => {
    const executable = await backend().compile(residual(32));
    const running = executable.run({ image: imageOf(4, 32) });
    await executable.dispose();
    expect((await running).logits.shape).toEqual([4, 5]);
    await expect(executable.run({ image: imageOf(1, 32) })).rejects.toThrow("run after dispose");
  });

  it("keeps variables from run to run, and reads them", async () => {
    const x = input("x", [2]);
    const [sum, last] = [variable("sum", tensor([2], [10, 20])), variable("last", tensor([2], [0, 0]))];
    const y = ops.add({ a: sum, b: x });
    const updates = [
      { variable: sum, value: y },
      { variable: last, value: sum },
    ];
    await using executable = await backend().compile(graph({ name: "sums", inputs: { x }, outputs: { y }, updates }));
    for (const expected of ["11,22", "12,24", "13,26"])
      expect((await executable.run({ x: tensor([2], [1, 2]) })).y.data.join()).toBe(expected);
    const { sum: total, last: before } = await executable.read(["sum", "last"]);
    expect([total!.data.join(), before!.data.join()]).toEqual(["13,26", "12,24"]);
  });

  it("tells how far loading and warming up have come, and stops where it is told to", async () => {
    const stages: Progress[] = [];
    await using _ = await backend().compile(residual(20), { onProgress: (progress) => stages.push(progress) });
    for (const stage of ["load", "warm up"]) {
      const found = stages.filter((each) => each.stage === stage);
      expect(found.map(({ done }) => done)).toEqual(found.map((_, i) => i + 1));
      expect(found.at(-1)!.done).toBe(found.at(-1)!.total);
    }
    for (const stage of ["load", "warm up"]) {
      const controller = new AbortController();
      const compile = backend().compile(residual(20), {
        signal: controller.signal,
        onProgress: (progress) => progress.stage === stage && controller.abort(),
      });
      await expect(compile).rejects.toThrow(AbortError);
    }
  });

  it("refuses a batch of more than 4 GiB by name, and goes on", async () => {
    vi.spyOn(process.getBuiltinModule("node:os"), "totalmem").mockReturnValue(1e15);
    vi.spyOn(process, "constrainedMemory").mockReturnValue(0);
    const x = input("x", ["N", 1]);
    const weight = constant("weight", tensor([512, 1], Array(512).fill(2)));
    const model = graph({ name: "large", inputs: { x }, outputs: { y: ops.linear({ x, weight }) } });
    await using executable = await backend().compile(model);
    const one = tensor([1, 1], [3]);
    const { y } = await executable.run({ x: one });
    const data = new Float32Array(2 ** 21); // 4 GiB of y
    const run = executable.run({ x: { dtype: "float32", shape: [2 ** 21, 1], data } });
    await expect(run).rejects.toThrow(OutOfMemoryError);
    await expect(run).rejects.toThrow(/^wasm: a run needs 4\.\d\d GB, and WebAssembly has 4\.29 GB \(4 GiB\) at most/);
    expect(bitsOf((await executable.run({ x: one })).y)).toEqual(bitsOf(y));
  });

  it("compiles no module twice", async () => {
    const compile = vi.spyOn(WebAssembly, "compile");
    await using _ = await backend().compile(residual(12));
    const modules = compile.mock.calls.map(([bytes]) => bytes.join());
    expect(modules.length).toBeGreaterThan(5);
    expect(modules).toEqual([...new Set(modules)]);
  });

  it("hands on why weights cannot be read", async () => {
    const x = input("x", [1, 2]);
    const read = () => Promise.reject(new Error("the disk is gone"));
    const weight = constant("weight", { dtype: "float32", shape: [2, 2], firstNonFinite: -1, read });
    const unreadable = graph({ name: "unreadable", inputs: { x }, outputs: { y: ops.linear({ x, weight }) } });
    await expect(backend().compile(unreadable)).rejects.toThrow("the disk is gone");
  });
});

it("computes what the reference does with either form of instructions", async () => {
  const image = imageOf(2, 20);
  await using exact = await reference.compile(residual(20));
  const { logits: expected } = await exact.run({ image });
  const scale = Math.max(...Array.from(expected.data, Math.abs));
  for (const instructions of ["relaxed madd", "mul and add"] as const) {
    await using executable = await wasm({ instructions }).compile(residual(20));
    const { logits } = await executable.run({ image });
    for (const [i, value] of logits.data.entries())
      expect(Math.abs(value - expected.data[i]!)).toBeLessThan(1e-4 * scale); // conformance has the bounds
  }
});

describe("describe", () => {
  it.each([
    [{ worker: false }, "relaxed SIMD, 1 thread"],
    [{ threads: 2 }, "relaxed SIMD, 2 threads in workers"],
    [{ threads: 1, worker: true }, "relaxed SIMD, 1 thread in a worker"],
    [{ threads: 1, instructions: "mul and add" }, "SIMD without relaxed, 1 thread"],
  ] satisfies [WasmOptions, string][])("%j", async (options, driver) => {
    const found = await wasm(options).describe();
    expect(found).toEqual({
      library: "@residual/wasm",
      version: "0.1.0",
      device: "cpu",
      driver,
      dtypes: ["float32"],
      algorithms: ["winograd-f2", "winograd-f4"],
    });
  });
});

describe("refuses", () => {
  const unchecked = (options: object): WasmOptions => options;

  it.each([0, -1, 1.5, NaN, Infinity, 100_000, "2", null])("threads: %s", (threads) => {
    const options = unchecked({ threads });
    expect(() => wasm(options)).toThrow(UnsupportedError);
    expect(() => wasm(options)).toThrow(/^wasm: threads is .*, expected a whole number from 1 to \d+, four times/);
  });

  it("other options that it cannot follow", () => {
    expect(() => wasm({ threads: 2, worker: false })).toThrow(UnsupportedError);
    expect(() => wasm({ threads: 2, worker: false })).toThrow("needs workers");
    expect(() => wasm(unchecked({ worker: 3 }))).toThrow("worker is the number 3, expected true, false, or a path");
    expect(() => wasm(unchecked({ instructions: "fast" }))).toThrow("instructions is the string fast");
    expect(() => wasm(unchecked({ winograd: "false" }))).toThrow(UnsupportedError);
    expect(() => wasm(unchecked({ winograd: "false" }))).toThrow(
      "winograd is the string false, expected true or false",
    );
  });

  it("threads in a page that is not isolated", () => {
    vi.stubGlobal("crossOriginIsolated", false);
    expect(() => wasm({ threads: 2 })).toThrow(UnsupportedError);
    expect(() => wasm({ threads: 2 })).toThrow("Cross-Origin-Embedder-Policy: require-corp");
  });

  const attempts = (options?: WasmOptions) => {
    const backend = wasm(options);
    return [backend.describe(), backend.compile(residual(8))] as const;
  };
  const expectUnavailable = async (words: RegExp, options?: WasmOptions) => {
    const failed = await Promise.all(attempts(options).map((each) => each.catch((error: unknown) => error)));
    for (const error of failed) expect(error).toBeInstanceOf(BackendUnavailableError);
    for (const error of failed) expect(String(error)).toMatch(words);
  };

  it("a platform without WebAssembly", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    await expectUnavailable(/no WebAssembly here; Node started with --jitless/);
  });

  it("one without SIMD, and names those that have it", async () => {
    vi.spyOn(WebAssembly, "validate").mockReturnValue(false);
    await expectUnavailable(/has no SIMD; it takes Chrome 91, Firefox 89, Safari 16\.4/);
  });

  it("one that forbids to compile", async () => {
    vi.spyOn(WebAssembly, "compile").mockRejectedValue(new EvalError("blocked by CSP"));
    await expectUnavailable(/blocked by CSP.*add 'wasm-unsafe-eval' to its script-src/);
    await expectUnavailable(/^[^;]*'wasm-unsafe-eval'/); // `auto` shows what is before the way out
  });

  it("a worker that is not where it should be", async () => {
    const compile = (options: WasmOptions) => wasm(options).compile(residual(8));
    for (const worker of ["/nowhere/wasm-worker.js", new URL("file:///nowhere/wasm-worker.js")]) {
      await expect(compile({ worker })).rejects.toThrow(BackendUnavailableError);
      await expect(compile({ worker })).rejects.toThrow(
        /does not start \(\/nowhere\/wasm-worker\.js is missing\).*wasm\(\{ worker: url \}\).*worker-src/,
      );
    }
  });

  it("a graph of more than 4 GiB, by name and before it is made", async () => {
    vi.spyOn(process.getBuiltinModule("node:os"), "totalmem").mockReturnValue(1e15);
    vi.spyOn(process, "constrainedMemory").mockReturnValue(0);
    const x = input("x", [1, 2 ** 29]);
    const large = graph({ name: "large", inputs: { x }, outputs: { y: ops.relu({ x: ops.sigmoid({ x }) }) } });
    for (const options of [{ worker: false }, { threads: 2 }] satisfies WasmOptions[]) {
      const compile: Promise<Executable> = wasm(options).compile(large);
      await expect(compile).rejects.toThrow(OutOfMemoryError);
      await expect(compile).rejects.toThrow(/^wasm: the graph needs 4\.\d\d GB, and WebAssembly has 4\.29 GB/);
    }
  });
});
