import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Graph, Tensor } from "@residual/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { onnx } from "./backend.ts";
import { lowerToOnnx } from "./lower.ts";
import { onDisk } from "./place.ts";
import { tiny, wide } from "./testing/graphs.ts";
import { runModel } from "./testing/onnxruntime.ts";
import { writeSafetensors } from "./testing/safetensors.ts";
import { bitsOf, fill } from "./testing/values.ts";

const width = 512;
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

const leftovers = () => readdir(join(folder, "tmp"));

async function read(path = file): Promise<Graph<"x", "y">> {
  return graphOf(await writeSafetensors(path, layers));
}

function graphOf({ a, b }: { readonly [name: string]: Tensor<"float32"> }): Graph<"x", "y"> {
  return wide(width, 2, (layer) => (layer === 0 ? a! : b!));
}

async function mappable(graph: Graph): Promise<boolean> {
  const mapped = await onDisk(lowerToOnnx(graph));
  await mapped?.[Symbol.asyncDispose]();
  expect(await leftovers()).toEqual([]);
  return mapped !== undefined;
}

describe("onDisk", () => {
  it("points into the weights' own file, through a hard link", async () => {
    await using mapped = await onDisk(lowerToOnnx(await read()));
    const path = mapped!.source.model as string;
    const [name] = await leftovers();
    expect(path).toBe(join(folder, "tmp", name!, "model.onnx"));
    expect((await stat(path)).size).toBeLessThan(1000);
    expect((await stat(join(path, "..", "weights"))).ino).toBe((await stat(file)).ino);
    const { y } = await runModel(path, { x });
    expect(y!.shape).toEqual([3, width]);
  });

  it("follows links to the file, relative ones too", async () => {
    await read();
    await symlink("weights.safetensors", join(folder, "link.safetensors"));
    const linked = (tensor: Tensor<"float32">) => ({
      ...tensor,
      source: { ...tensor.source!, path: join(folder, "link.safetensors") },
    });
    const { a, b } = await writeSafetensors(file, layers);
    expect(await mappable(graphOf({ a: linked(a!), b: linked(b!) }))).toBe(true);
  });

  it("does not take weights that did not all come from one file", async () => {
    const { a, b } = await writeSafetensors(file, layers);
    const other = await writeSafetensors(join(folder, "other.safetensors"), layers);
    expect(await mappable(graphOf({ a: a!, b: b! }))).toBe(true);
    expect(await mappable(graphOf({ a: a!, b: other.b! }))).toBe(false);
    expect(await mappable(graphOf({ a: a!, b: layers.b }))).toBe(false);
    expect(
      await mappable(graphOf({ a: a!, b: { ...b!, source: { ...b!.source!, offset: b!.source!.offset + 1 } } })),
    ).toBe(false);
    expect(await mappable(tiny())).toBe(false);
  });

  it("does without a temporary folder where there can be none", async () => {
    vi.stubEnv("TMPDIR", join(folder, "missing"));
    expect(await onDisk(lowerToOnnx(await read()))).toBeUndefined();
  });

  it("does not take a file that is gone, cut short or another by now", async () => {
    const graph = await read();
    await truncate(file, statSync(file).size - 1);
    expect(await mappable(graph)).toBe(false);
    await writeSafetensors(file, { a: layers.b, b: layers.a });
    expect(await mappable(graph)).toBe(false);
    await rm(file);
    expect(await mappable(graph)).toBe(false);
  });
});

describe("compile", () => {
  const answer = async (graph: Graph<"x", "y">, map: boolean) => {
    await using executable = await onnx({ threads: 1, map }).compile(graph);
    expect(await leftovers()).toEqual([]);
    return bitsOf((await executable.run({ x })).y);
  };

  it("answers from the mapped file as from memory, bit for bit, and leaves no file", async () => {
    const graph = await read();
    const expected = await answer(graph, false);
    expect(await answer(graph, true)).toBe(expected);
    await rm(file);
    expect(await answer(graph, true)).toBe(expected);
  });

  it("goes on when the file is replaced or removed", async () => {
    const graph = await read();
    const expected = await answer(graph, false);
    await using executable = await onnx({ threads: 1 }).compile(graph);
    await writeFile(join(folder, "new"), "something else");
    await rename(join(folder, "new"), file);
    expect(bitsOf((await executable.run({ x })).y)).toBe(expected);
    await rm(file);
    expect(bitsOf((await executable.run({ x })).y)).toBe(expected);
  });

  const elsewhere = "/dev/shm";
  it.skipIf(!existsSync(elsewhere) || statSync(elsewhere).dev === statSync(tmpdir()).dev)(
    "maps across file systems, through a symbolic link",
    async () => {
      const far = await mkdtemp(join(elsewhere, "residual-test-"));
      try {
        const graph = await read(join(far, "weights.safetensors"));
        const expected = await answer(graph, false);
        expect(await mappable(graph)).toBe(true);
        expect(await answer(graph, true)).toBe(expected);
      } finally {
        await rm(far, { recursive: true });
      }
    },
  );

  it("removes the folder when it is aborted, or refused", async () => {
    const graph = await read();
    await onnx()
      .compile(graph, { signal: AbortSignal.timeout(20) })
      .then(
        (made) => made.dispose(),
        () => {},
      );
    expect(await leftovers()).toEqual([]);
  });
});
