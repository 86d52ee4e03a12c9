import { bind, FormatError, resnet, tensor, variants } from "@residual/core";
import { encodeSafetensors, readWeights, shippedWeights } from "@residual/weights";
import { describe, expect, inject, it } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

/** The part of the DOM that this test uses: packages are type-checked without the DOM's types. */
declare const location: { readonly href: string };

const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
const file = () =>
  new File(
    encodeSafetensors({ x }, { model: "mine" }).map((piece) => new Uint8Array(piece)),
    "mine.safetensors",
  );
const shipped = () => `/@fs${inject("repository")}packages/weights/known/resnet20-cifar10.safetensors`;

describe("in a browser readWeights reads", () => {
  it.each<[string, () => Parameters<typeof readWeights>[0] | Promise<ArrayBuffer>]>([
    ["a File", file],
    ["its bytes", () => file().arrayBuffer()],
    ["a stream", () => file().stream()],
    ["a blob: URL", () => URL.createObjectURL(file())],
    ["a Response", () => new Response(file())],
  ])("%s", async (_, make) => {
    const weights = await readWeights(await make());
    expect(weights.tensors.get("x")).toEqual(x);
    expect(weights.model).toBe("mine");
  });

  it("an address, as text relative to the page and as a URL, with its progress", async () => {
    for (const source of [shipped(), new URL(shipped(), location.href)]) {
      const seen: number[] = [];
      const weights = await readWeights(source, { onProgress: ({ done, total }) => seen.push(done / total) });
      expect(weights).toMatchObject({ model: "cifar_resnet20", preprocessing: { crop: 32 } });
      expect(weights.labels).toHaveLength(10);
      expect(seen.at(-1)).toBe(1);
    }
  });

  it("known weights by their name, for a graph", async () => {
    const graph = resnet(variants.cifar_resnet20);
    expect(bind(graph, await readWeights(shippedWeights.name, { graph })).outputs.logits?.shape).toEqual(["N", 10]);
  });

  it("an index of shards, and the shards beside it", async () => {
    const index = new Response(JSON.stringify({ weight_map: { "fc.bias": "resnet20-cifar10.safetensors" } }));
    Object.defineProperty(index, "url", { value: new URL(shipped(), location.href).href });
    expect([...(await readWeights(index)).tensors.keys()]).toEqual(["fc.bias"]);
  });
});

describe("in a browser other formats give the bits that they have in Node", () => {
  const fixture = (name: string) => `/@fs${inject("repository")}packages/weights/src/${name}`;

  it.each([
    ["npz/fixtures/stored.npz", "npz/fixtures/arrays.safetensors"],
    ["npz/fixtures/compressed.npz", "npz/fixtures/arrays.safetensors"],
    ["keras/fixtures/tf-model.h5", "keras/fixtures/tf.safetensors"],
    ["keras/fixtures/deflated.keras", "keras/fixtures/keras3.safetensors"],
    ["keras/fixtures/storage.h5", "keras/fixtures/storage.safetensors"],
  ])("%s", async (name, expected) => {
    const [found, same] = [await readWeights(fixture(name)), await readWeights(fixture(expected))];
    expect([...found.tensors.keys()].toSorted()).toEqual([...same.tensors.keys()].toSorted());
    for (const [key, source] of found.tensors) expect([key, source]).toEqual([key, same.tensors.get(key)]);
  });

  it("a zip bomb is refused before it is unpacked", async () => {
    await expect(readWeights(fixture("keras/fixtures/bomb.h5"))).rejects.toThrow(/bytes or more once unpacked/);
  });
});

describe("and refuses", () => {
  it("a page in place of a file, and an address that nothing is at", async () => {
    await expect(readWeights(new Blob(["<!doctype html><title>Sign in</title>"]))).rejects.toThrow(/an HTML page/);
    await expect(readWeights("/@fs/no-such.safetensors")).rejects.toThrow(FormatError);
  });

  it("a file: URL, which a page may not read", async () => {
    await expect(readWeights(new URL("file:///mine.safetensors"))).rejects.toThrow(/a browser reads no files by name/);
  });
});
