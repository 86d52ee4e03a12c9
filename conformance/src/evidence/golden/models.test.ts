import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import {
  bind,
  fixtureInput,
  fixtureWeights,
  parametersOf,
  reference,
  resnet,
  select,
  summarize,
  type Tensor,
} from "@residual/core";
import { everyTest } from "@residual/kit/testing/every-test";
import { describe, expect, it } from "vitest";
import { specOf } from "../../suite/fixture-model.ts";
import { modelGolden, modelGoldenIds, modelName } from "../../suite/goldens.ts";
import { argMax } from "../../suite/levels/arg-max.ts";
import { expectedOf, foundOf, stagesOf } from "../../suite/levels/models.ts";
import { heldGoldenIds } from "../../testing/held-goldens.ts";
import { expectWithin } from "./compare.ts";

/**
 * The largest model for the reference, in multiply-adds. It does about 1e9 a second. `pnpm test:all` runs every case.
 */
const REFERENCE_MACS = everyTest ? Number.POSITIVE_INFINITY : 3e8;

/**
 * Allowed share of the largest value. float64 sums in another order than PyTorch's stay far below it; a fault does not.
 */
const CLOSE = 1e-10;

const ids = await modelGoldenIds();

it("lists every file", () => {
  const files = readdirSync(new URL("../../../golden/infer/", import.meta.url)).filter((file) => file !== "index.json");
  expect(ids).toEqual(files.map((file) => file.replace(".json", "")).sort());
});

describe.each(await heldGoldenIds())("%s", (id) => {
  it("has the weights and the input that PyTorch had, and PyTorch's answers on the reference", {
    timeout: 600_000,
  }, async () => {
    const golden = await modelGolden(id);
    const model = resnet(specOf(modelName(id)), { input: golden.input.shape });
    const weights = fixtureWeights(model, golden.salt);
    const image = fixtureInput(golden.salt, golden.input.shape);
    expect(sha256(parametersOf(model).map(({ name }) => weights.tensors.get(name)!))).toBe(golden.weightsSha256);
    expect(sha256([image])).toBe(golden.input.sha256);
    if (summarize(model).macs > REFERENCE_MACS) return;

    await using executable = await reference.compile(select(bind(model, weights), stagesOf(golden)));
    const answers = await executable.run({ image });
    for (const stage of stagesOf(golden)) {
      const { shape, values, scale } = expectedOf(golden, stage);
      expect(answers[stage]!.shape).toEqual(shape);
      const found = foundOf(answers[stage]!, golden, stage);
      const errors = values.map((value, i) => Math.abs(found[i]! - value) / scale);
      expectWithin(stage, Math.max(...errors), CLOSE);
    }
    if (golden.top5) expect(argMax(answers.logits!)).toEqual(golden.top5.indices.map(([first]) => first));
  });
});

/** SHA-256 in hex of the float32 bytes (little-endian) of all tensors, one after the other. */
function sha256(tensors: readonly Tensor<"float32">[]): string {
  const hash = createHash("sha256");
  for (const { data } of tensors) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}
