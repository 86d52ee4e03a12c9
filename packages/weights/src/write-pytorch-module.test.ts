import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bind, FormatError, fixtureWeights, resnet, variants } from "@residual/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pyTorchModule } from "./pytorch-module/index.ts";
import { readWeights } from "./read-weights.ts";
import { bitsOf } from "./testing/bits.ts";
import { Weights } from "./weights.ts";
import { writePyTorchModule } from "./write-pytorch-module.ts";

const open = resnet(variants.pytorch_unit, { name: "pytorch_unit" });
const weights = fixtureWeights(open, "v1");
const bound = bind(open, weights);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-module-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("writes the text, and the weights beside it with the recorded answer", async () => {
  const recorded = { shape: [1, 8, 8, 8], output: "output", values: [0.1, -2.5] };
  await writePyTorchModule(join(folder, "unit.py"), bound, { metadata: { model: "pytorch_unit" }, recorded });
  expect((await readdir(folder)).toSorted()).toEqual(["unit.py", "unit.safetensors"]);
  const text = await readFile(join(folder, "unit.py"), "utf8");
  expect(text).toBe(pyTorchModule(open, { weights: "unit.safetensors" }));
  const read = await readWeights(join(folder, "unit.safetensors"));
  expect(await bitsOf(read)).toEqual(await bitsOf(new Weights(weights.tensors)));
  expect(read.metadata.model).toBe("pytorch_unit");
  expect(JSON.parse(read.metadata.recorded!)).toEqual({ input: "fixture:v1", ...recorded });
});

it("writes neither if one cannot be", async () => {
  await mkdir(join(folder, "taken.safetensors"));
  await expect(writePyTorchModule(join(folder, "taken.py"), bound)).rejects.toThrow(FormatError);
  const aborted = writePyTorchModule(join(folder, "no.py"), bound, { signal: AbortSignal.abort() });
  await expect(aborted).rejects.toMatchObject({ code: "AbortError" });
  expect(await readdir(folder)).not.toContain("taken.py");
  expect(await readdir(folder)).not.toContain("no.safetensors");
});

it.each([
  ["net.txt", bound, /found ".*net\.txt" as the path of a PyTorch module, expected one that ends in \.py/],
  ["net.py", open, /pytorch_unit has no numbers for block\.conv1\.weight; bind the graph first/],
])("%s is refused", async (name, graph, message) => {
  const writing = writePyTorchModule(join(folder, name), graph);
  await expect(writing).rejects.toThrow(FormatError);
  await expect(writing).rejects.toThrow(message);
});
