import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, fixtureWeights, tensor } from "@residual/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { resolveWeights } from "./load.ts";
import { graphReading } from "./testing/golden-graph.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const reading = graphReading([
  ["conv1.weight", [1, 1, 1, 1], "conv_w"],
  ["fc.weight", [2, 3], "fc_w"],
  ["fc.bias", [2], "fc_b"],
]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-load-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("takes fixture:SALT", async () => {
  expect(await resolveWeights("fixture:v1", reading)).toEqual(fixtureWeights(reading, "v1"));
  expect(await resolveWeights("fixture:a:b", reading)).toEqual(fixtureWeights(reading, "a:b"));
  await expect(resolveWeights("fixture:", reading)).rejects.toThrow(/lacks its salt; write fixture:v1/);
});

it("takes the name of known weights", async () => {
  const { metadata } = await resolveWeights("resnet20-cifar10", reading);
  expect(metadata.model).toBe("cifar_resnet20");
});

it("takes a file, and gives its tensors the graph's names", async () => {
  const path = join(folder, "linear.safetensors");
  await writeSafetensors(path, {
    "module.conv1.weight": tensor([1, 1, 1, 1], [1]),
    "module.linear.weight": tensor([2, 3], [1, 2, 3, 4, 5, 6]),
    "module.linear.bias": tensor([2], [1, 2]),
  });
  expect([...(await resolveWeights(path, reading)).tensors.keys()]).toEqual(["conv1.weight", "fc.weight", "fc.bias"]);
});

it("refuses anything else, with the names it knows", async () => {
  const resolving = resolveWeights("resnet20-cifar100", reading);
  await expect(resolving).rejects.toThrow(FormatError);
  await expect(resolving).rejects.toThrow(
    'found "resnet20-cifar100", expected a file that exists, fixture:SALT, or known weights: resnet20-cifar10',
  );
});

it("stops when aborted", async () => {
  const signal = AbortSignal.abort();
  await expect(resolveWeights("resnet20-cifar10", reading, { signal })).rejects.toMatchObject({ code: "AbortError" });
});
