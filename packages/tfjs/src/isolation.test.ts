import { DeviceLostError } from "@residual/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { tfjs } from "./backend.ts";
import { selectionOf } from "./runtime.ts";
import { bitsOf, fill, slow, tiny } from "./testing/graphs.ts";

const image = fill([2, 4, 8, 8], 9);
const wasm = tfjs({ engine: "wasm" });
const cpu = tfjs({ engine: "cpu" });

describe("before the process has chosen an engine", () => {
  it("none is chosen for it, and none that we brought is preferred to its own", async () => {
    await import("@tensorflow/tfjs-backend-cpu"); // the user's
    await using executable = await wasm.compile(tiny());
    await executable.run({ image });
    expect(tf.engine().backendName).toBeUndefined();
    await tf.ready(); // then tfjs chooses
    expect(tf.getBackend()).toBe("cpu");
  });

  it("tfjs may choose ours, and then gets the one that is open", async () => {
    await using executable = await wasm.compile(tiny());
    const { backendName, backendInstance } = selectionOf(tf);
    tf.engine().registryFactory.cpu!.priority = -1;
    Object.assign(tf.engine(), { backendName: undefined, backendInstance: undefined });
    expect(tf.memory().numTensors).toBeGreaterThan(0); // at once, though wasm is opened asynchronously
    expect(tf.getBackend()).toBe("wasm");
    await executable.run({ image });
    tf.engine().registryFactory.cpu!.priority = 1;
    Object.assign(tf.engine(), { backendName, backendInstance });
  });

  it("leaves no handler of the process's exceptions behind", async () => {
    await wasm.describe();
    const ofEmscripten = (event: string) =>
      process.listeners(event as "exit").filter((listener) => /ExitStatus|throw reason/.test(String(listener)));
    expect([...ofEmscripten("uncaughtException"), ...ofEmscripten("unhandledRejection")]).toEqual([]);
  });
});

describe("beside a process that uses tfjs itself", () => {
  beforeEach(async () => {
    await tf.setBackend("cpu");
  });

  it("the engine that it has selected stays selected, in every turn of a run", async () => {
    await using executable = await wasm.compile(slow(8));
    const seen = new Set<string>();
    const timer = setInterval(() => {
      const sum = tf.add(tf.tensor1d([1, 2]), 1); // the user works with it meanwhile
      seen.add(`${tf.getBackend()} ${sum.dataSync().join()}`);
      sum.dispose();
    }, 1);
    await executable.run({ image: fill([1, 64, 56, 56], 1) });
    clearInterval(timer);
    expect([...seen]).toEqual(["cpu 2,3"]);
    expect(tf.getBackend()).toBe("cpu");
  });

  it("an engine that it is just about to select is selected", async () => {
    const slowEngine = new Promise<tf.KernelBackend>((resolve) => {
      setTimeout(() => resolve(tf.engine().findBackend("cpu")), 60);
    });
    tf.registerBackend("slow", () => slowEngine);
    const selecting = tf.setBackend("slow");
    await using executable = await wasm.compile(tiny());
    await executable.run({ image });
    expect(await selecting).toBe(true);
    expect(tf.getBackend()).toBe("slow");
    await tf.setBackend("cpu");
    delete tf.engine().registry.slow; // it is cpu's, which has to stay
    delete tf.engine().registryFactory.slow;
  });

  it("its scopes neither get our tensors nor lose its own", async () => {
    tf.engine().startScope();
    const mine = tf.tensor1d([1, 2, 3]);
    await using executable = await wasm.compile(tiny());
    const before = bitsOf((await executable.run({ image })).logits);
    tf.engine().endScope();
    expect(mine.isDisposed).toBe(true);
    expect(bitsOf((await executable.run({ image })).logits)).toBe(before);
  });

  it("a scope that compile and run are called in takes nothing of theirs", async () => {
    const inScope = <T>(work: () => T): T => {
      tf.engine().startScope();
      try {
        return work();
      } finally {
        tf.engine().endScope();
      }
    };
    await using executable = await inScope(() => wasm.compile(tiny()));
    const { logits } = await inScope(() => executable.run({ image }));
    expect(bitsOf(logits)).toBe(bitsOf((await executable.run({ image })).logits));
  });

  it("tf.profile sees our kernels and breaks none", async () => {
    await using executable = await wasm.compile(tiny());
    const { kernelNames } = await tf.profile(async () => {
      await executable.run({ image });
      return tf.scalar(1);
    });
    expect(kernelNames).toContain("FusedConv2D");
  });
});

describe("two engines in one process", () => {
  it("answer each for itself, at the same time", async () => {
    await using one = await wasm.compile(tiny());
    await using other = await cpu.compile(tiny());
    const alone = [await one.run({ image }), await other.run({ image })].map(({ logits }) => bitsOf(logits));
    const together = await Promise.all([one, other, one, other].map((each) => each.run({ image })));
    expect(together.map(({ logits }) => bitsOf(logits))).toEqual([...alone, ...alone]);
  });
});

it("once its engine is removed from tfjs an executable says so", async () => {
  await using executable = await cpu.compile(tiny());
  const { cpu: instance } = tf.engine().registry;
  delete tf.engine().registry.cpu;
  await expect(executable.run({ image })).rejects.toThrow(DeviceLostError);
  tf.engine().registry.cpu = instance!;
  await executable.run({ image });
});
