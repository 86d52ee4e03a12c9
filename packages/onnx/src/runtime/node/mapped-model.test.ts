import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  constant,
  constantsOf,
  FormatError,
  foldBatchNorm,
  type Graph,
  graph,
  input,
  type LazySource,
  named,
  ops,
  optimize,
  readTensor,
  type Source,
} from "@residual/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backendOn } from "../../backend.ts";
import { tiny, wide } from "../../testing/graphs.ts";
import { runModel } from "../../testing/onnxruntime.ts";
import { writeSafetensors } from "../../testing/safetensors.ts";
import { bitsOf, fill } from "../../testing/values.ts";
import { MOST_INLINE } from "./inline-batch.ts";
import { onDisk } from "./mapped-model.ts";
import { nodeRuntime } from "./runtime.ts";

const width = 1100; // two layers are more than what streams at the least
const layers = { a: fill([width, width], 1, -0.1, 0.1), b: fill([width, width], 2, -0.1, 0.1) };
const x = fill([3, width], 3);

/** A folder that is also the temporary folder of what runs in this test. */
let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
  file = join(folder, "weights.safetensors");
  await mkdir(join(folder, "tmp"));
  vi.stubEnv("TMPDIR", join(folder, "tmp"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** A convolution whose rows are cut by chunks of 1 MiB, and its norm. */
const channels = 600;
const convolution = {
  weight: fill([channels, channels, 3, 3], 4, -0.02, 0.02),
  scale: fill([channels], 5, 0.5, 2),
  shift: fill([channels], 6),
  mean: fill([channels], 7),
  variance: fill([channels], 8, 0.5, 2),
};

/** The same graph twice, the convolution's weight in a file and in memory. */
function normed({ weight }: { readonly [name: string]: LazySource }): { graph: Graph; weights: Graph } {
  const [inFile, inMemory] = [{ ...convolution, weight: weight! }, { ...convolution }].map(
    (tensors: { readonly [name: string]: Source }) => {
      const image = input("image", ["N", channels, 3, 3]);
      const of = (name: string) => constant(name, tensors[name]!);
      const conv = named("conv", ops.conv2d({ x: image, weight: of("weight") }));
      const norm = { scale: of("scale"), shift: of("shift"), mean: of("mean"), variance: of("variance") };
      return graph({ name: "normed", inputs: { image }, outputs: { y: ops.batchNorm({ x: conv, ...norm }) } });
    },
  );
  return { graph: inFile!, weights: inMemory! };
}

const leftovers = () => readdir(join(folder, "tmp"));

async function read(path = file): Promise<Graph<"x", "y">> {
  return graphOf(await writeSafetensors(path, layers));
}

function graphOf({ a, b }: { readonly [name: string]: Source }): Graph<"x", "y"> {
  return wide(width, 2, (layer) => (layer === 0 ? a! : b!));
}

/** Whether weights stream to a file for a graph; that nothing is left over, either way. */
async function streams(graph: Graph): Promise<boolean> {
  const mapped = await onDisk(graph, "standard");
  await mapped?.[Symbol.asyncDispose]();
  expect(await leftovers()).toEqual([]);
  return mapped !== undefined;
}

describe("onDisk", () => {
  it("streams the weights into a file beside a small model", async () => {
    await using mapped = await onDisk(await read(), "standard");
    const path = mapped!.source.model as string;
    const [name] = await leftovers();
    expect(path).toBe(join(folder, "tmp", name!, "model.onnx"));
    expect((await stat(path)).size).toBeLessThan(1000);
    expect((await stat(join(path, "..", "weights.bin"))).size).toBe(2 * 4 * width ** 2);
    const { y } = await runModel(path, { x });
    expect(y!.shape).toEqual([3, width]);
  });

  it("takes weights of several files, and such that lie in none", async () => {
    const { a, b } = await writeSafetensors(file, layers);
    const other = await writeSafetensors(join(folder, "other.safetensors"), layers);
    expect(await streams(graphOf({ a: a!, b: b! }))).toBe(true);
    expect(await streams(graphOf({ a: a!, b: other.b! }))).toBe(true);
    const expected = await answer(graphOf(layers), false);
    expect(await answer(graphOf({ a: a!, b: other.b! }), true)).toBe(expected);
    expect(
      await answer(
        wide(width, 3, (layer) => [a!, b!, layers.a][layer]!),
        true,
      ),
    ).toBe(
      await answer(
        wide(width, 3, (layer) => [layers.a, layers.b, layers.a][layer]!),
        false,
      ),
    );
  });

  it("leaves small weights, and those in memory, alone", async () => {
    expect(await streams(tiny())).toBe(false);
    expect(await streams(graphOf(layers))).toBe(false);
  });

  it("does without a temporary folder where there can be none", async () => {
    vi.stubEnv("TMPDIR", join(folder, "missing"));
    expect(await onDisk(await read(), "standard")).toBeUndefined();
  });

  it("does not take a file that is gone, cut short or another by now", async () => {
    const graph = await read();
    await truncate(file, statSync(file).size - 1);
    expect(await streams(graph)).toBe(false);
    await writeSafetensors(file, { a: layers.b, b: layers.a });
    expect(await streams(graph)).toBe(false);
    await rm(file);
    expect(await streams(graph)).toBe(false);
  });
});

/** The same on the caller's thread and in one of its own. */
const backends = (map: boolean) =>
  [MOST_INLINE, 0].map((mostInline) => backendOn("onnx", nodeRuntime({ threads: 1, map }, { mostInline })));

const answer = async (graph: Graph<"x", "y">, map: boolean) => {
  const answers = new Set<string>();
  for (const backend of backends(map)) {
    await using executable = await backend.compile(graph);
    expect(await leftovers()).toEqual([]);
    answers.add(bitsOf((await executable.run({ x })).y));
  }
  expect(answers.size).toBe(1);
  return [...answers][0];
};

describe("compile", () => {
  it("folds norms as core does, each product rounded once", async () => {
    const { graph, weights } = normed(await writeSafetensors(file, convolution));
    await using mapped = await onDisk(optimize(graph), "standard");
    const bytes = await readFile(join(mapped!.source.model as string, "..", "weights.bin"));
    const folded = constantsOf(foldBatchNorm(weights)).find(({ name }) => name === "conv.folded.weight")!;
    const expected = Buffer.from(Float32Array.from((await readTensor(folded.source)).data).buffer);
    expect(Buffer.compare(bytes.subarray(0, expected.length), expected)).toBe(0);
  });

  it("answers from the mapped file as from memory, bit for bit, and leaves no file", async () => {
    const graph = await read();
    const expected = await answer(graph, false);
    expect(await answer(graph, true)).toBe(expected);
    await rm(file);
    await expect(answer(graph, true)).rejects.toThrow(FormatError);
    expect(await leftovers()).toEqual([]);
  });

  it("goes on when the file is replaced or removed", async () => {
    const graph = await read();
    const expected = await answer(graph, false);
    const executables = await Promise.all(backends(true).map((backend) => backend.compile(graph)));
    await writeFile(join(folder, "new"), "something else");
    await rename(join(folder, "new"), file);
    for (const executable of executables) expect(bitsOf((await executable.run({ x })).y)).toBe(expected);
    await rm(file);
    for (const executable of executables) expect(bitsOf((await executable.run({ x })).y)).toBe(expected);
    for (const executable of executables) await executable.dispose();
  });

  const elsewhere = "/dev/shm";
  it.skipIf(!existsSync(elsewhere) || statSync(elsewhere).dev === statSync(tmpdir()).dev)(
    "streams from another file system",
    async () => {
      const far = await mkdtemp(join(elsewhere, "residual-test-"));
      try {
        const graph = await read(join(far, "weights.safetensors"));
        const expected = await answer(graph, false);
        expect(await streams(graph)).toBe(true);
        expect(await answer(graph, true)).toBe(expected);
      } finally {
        await rm(far, { recursive: true });
      }
    },
  );

  it("removes the folder when it is aborted, or refused", async () => {
    const graph = await read();
    for (const backend of backends(true)) {
      await backend.compile(graph, { signal: AbortSignal.timeout(20) }).then(
        (made) => made.dispose(),
        () => {},
      );
      expect(await leftovers()).toEqual([]);
    }
  });
});
