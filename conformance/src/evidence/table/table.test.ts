import { modelNames } from "@residual/core";
import { expect, it } from "vitest";
import { lightGoldenIds } from "../../testing/held-goldens.ts";
import { page } from "./page.ts";
import { evidenceOf } from "./records.ts";

const evidence = await evidenceOf(modelNames);

it("docs/evidence.md says what there is", async () => {
  const path = new URL("../../../../docs/evidence.md", import.meta.url).pathname;
  await expect(page(evidence, new Set(await lightGoldenIds()))).toMatchFileSnapshot(path);
});

it("every model has structure, answers and at least one stage or output among them", () => {
  const bare = evidence.filter(({ structure, answers }) => structure === undefined || answers.length === 0);
  expect(bare.map(({ model }) => model)).toEqual([]);
});

it("a model without records shows dashes, not nothing", () => {
  const none = { model: "resnet18", madeBy: "own modules", structure: undefined, answers: [], gradients: [] } as const;
  const text = page([{ ...none, pictures: undefined, ops: ["conv2d", "relu"], tested: ["relu"] }], new Set());
  expect(text).toContain("1 models: structure of 0, answers of 0, training steps of 0, pictures for 0.");
  expect(text).toContain("| resnet18 | own modules | – | – | – | – | – | 1 of 2, not conv2d |");
});
