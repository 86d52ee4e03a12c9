import { AbortError, BackendUnavailableError, DeviceLostError, type Progress, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { bitsOf, fill, slow, tiny } from "./testing/graphs.ts";

const threaded = tfjs({ engine: "wasm", worker: true });
const image = fill([2, 4, 8, 8], 9);
const large = fill([1, 64, 56, 56], 1);

describe("in a thread", () => {
  it("it answers with the bits that it answers with here", async () => {
    await using here = await tfjs({ engine: "wasm" }).compile(tiny());
    await using there = await threaded.compile(tiny());
    expect(bitsOf((await there.run({ image })).logits)).toBe(bitsOf((await here.run({ image })).logits));
    const again = await Promise.all([1, 2, 3].map(() => there.run({ image })));
    expect(new Set(again.map(({ logits }) => bitsOf(logits))).size).toBe(1);
  });

  it("the event loop goes round while it runs, far oftener than there are layers", async () => {
    await using executable = await threaded.compile(slow());
    let rounds = 0;
    let running = true;
    const count = () => {
      rounds++;
      if (running) setImmediate(count);
    };
    count();
    await executable.run({ image: large });
    running = false;
    expect(rounds).toBeGreaterThan(400); // of 40 layers
  });

  it("an abort stops it between two layers, and the next run is answered", async () => {
    await using executable = await threaded.compile(slow());
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done }: Progress) => {
      seen.push(done);
      controller.abort("enough");
    };
    const run = executable.run({ image: large }, { signal: controller.signal, onProgress });
    await expect(run).rejects.toMatchObject({ code: "AbortError", cause: "enough" });
    await executable.run({ image: large });
    expect(seen.at(-1)).toBeLessThan(40);
  });

  it("an abort stops it while it loads", async () => {
    const controller = new AbortController();
    const compile = threaded.compile(slow(), { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(compile).rejects.toThrow(AbortError);
  });

  it("tells of its progress", async () => {
    const seen: Progress[] = [];
    await using executable = await threaded.compile(tiny(), { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ stage: "load", done: 3, total: 3 });
    expect((await executable.run({ image })).logits.shape).toEqual([2, 5]);
  });

  it("is told where its code lies, and says so where it does not", async () => {
    const worker = new URL("./tfjs-worker.ts", import.meta.url);
    await using executable = await tfjs({ engine: "wasm", worker }).compile(tiny());
    expect((await executable.run({ image })).logits.shape).toEqual([2, 5]);
    const parted = tfjs({ engine: "wasm", worker: "/bundle/tfjs-worker.js" }).compile(tiny());
    await expect(parted).rejects.toThrow(BackendUnavailableError);
    await expect(parted).rejects.toThrow(/\/bundle\/tfjs-worker\.js is missing.*@residual\/tfjs as external/);
  });

  it("names what is missing there", async () => {
    const nowhere = tfjs({ engine: "wasm", worker: true, wasmPaths: "/nowhere" });
    await expect(nowhere.compile(tiny())).rejects.toMatchObject({ code: "BackendUnavailableError" });
  });
});

it("is for wasm", () => {
  expect(() => tfjs({ engine: "cpu", worker: true })).toThrow(UnsupportedError);
  expect(tfjs({ worker: true }).name).toBe("tfjs-wasm");
});

it("what is disposed in mid run rejects, or answers", async () => {
  const executable = await threaded.compile(slow());
  const run = executable.run({ image: large }).then(
    () => "answered",
    (error: unknown) => (error instanceof DeviceLostError ? "lost" : "other"),
  );
  await executable.dispose();
  expect(await run).toBe("answered");
});
