import { writeFile } from "node:fs/promises";
import { tensor, tensorOf } from "@residual/core";
import { encodeSafetensors, readWeights, writeSafetensors } from "@residual/weights";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, residual, shippedFile as shipped, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();

interface Difference {
  readonly identical: boolean;
  readonly model: string | null;
  readonly tensors: readonly { readonly name: string; readonly [key: string]: unknown }[];
  readonly notes: readonly string[];
  readonly onlyInA: readonly string[];
  readonly onlyInB: readonly string[];
  readonly misshapen: readonly unknown[];
}

async function file(tensors: Parameters<typeof encodeSafetensors>[0]): Promise<string> {
  const path = folder.in(`${crypto.randomUUID()}.safetensors`);
  await writeFile(path, Buffer.concat(encodeSafetensors(tensors)));
  return path;
}

describe("diff", () => {
  it("finds the same weights under other names the same", async () => {
    const { tensors } = await readWeights(shipped);
    const wrapped = folder.in("wrapped.safetensors");
    await writeSafetensors(wrapped, new Map([...tensors].map(([name, source]) => [`module.${name}`, source])));
    const found = await document<Difference>(["diff", shipped, wrapped]);
    expect(found).toMatchObject({ identical: true, model: "cifar_resnet20", onlyInA: [], onlyInB: [], misshapen: [] });
    expect((await residual(["diff", shipped, wrapped, "--exit-code"])).code).toBe(0);
  });

  it("a file with a tensor more is another, though all that it shares is the same", async () => {
    const a = await file({ one: tensor([1], [1]) });
    const b = await file({ one: tensor([1], [1]), two: tensor([1], [2]) });
    expect(await document<Difference>(["diff", a, b])).toMatchObject({
      identical: false,
      onlyInA: [],
      onlyInB: ["two"],
    });
  });

  it("lists what changed, the most first, as worked out by hand", async () => {
    const a = await file({
      small: tensor([4], [1, 2, 2, 4]),
      large: tensor([2], [3, 4]),
      same: tensor([1], [NaN]),
      gone: tensor([1], [1]),
      wide: tensor([2, 1], [1, 2]),
    });
    const b = await file({
      small: tensor([4], [1, 2, 2, 5]),
      large: tensor([2], [0, 0]),
      same: tensor([1], [NaN]),
      come: tensorOf("int64", [1], BigInt64Array.of(1n)),
      wide: tensor([1, 2], [1, 2]),
    });
    const found = await document<Difference>(["diff", a, b]);
    expect(found).toMatchObject({ identical: false, model: null, onlyInA: ["gone"], onlyInB: ["come"] });
    expect(found.misshapen).toEqual([{ name: "wide", a: [2, 1], b: [1, 2] }]);
    // large: √(25 / 25); small: √(1 / 25)
    expect(found.tensors).toEqual([
      { name: "large", shape: [2], size: 2, differing: 2, largest: 4, relative: 1 },
      { name: "small", shape: [4], size: 4, differing: 1, largest: 1, relative: 0.2 },
      { name: "same", shape: [1], size: 1, differing: 0, largest: 0, relative: 0 },
    ]);
    const shown = await succeed(["diff", a, b]);
    expect(shown.stdout).toMatch(/2 of 3 tensors differ/);
    expect(shown.stdout.indexOf("large")).toBeLessThan(shown.stdout.indexOf("small"));
    expect((await residual(["diff", a, b, "--exit-code"])).code).toBe(1);
  });

  it("says whose norms are folded, and which models the two are for", async () => {
    const folded = folder.in("folded");
    await succeed(["convert", shipped, folded]);
    expect((await document<Difference>(["diff", shipped, folded])).notes).toEqual([
      expect.stringContaining(`the norms of ${folded} are folded`),
    ]);
    const other = folder.in("other.safetensors");
    await succeed(["export", "cifar_resnet32", "--weights", "fixture:v1", "--to", other]);
    expect((await document<Difference>(["diff", shipped, other])).notes).toEqual([
      `${shipped} is for cifar_resnet20, and ${other} for cifar_resnet32`,
    ]);
  });

  it("compares fixtures of a model that is named", async () => {
    const words = ["diff", "fixture:v1", "fixture:v2", "--model", "cifar_resnet20"];
    expect(await document(words)).toMatchObject({ identical: false, model: "cifar_resnet20", misshapen: [] });
  });
});
