import { readFileSync } from "node:fs";
import { fixtureInput } from "@residual/core";
import { expect, it } from "vitest";
import { load } from "../index.ts";
import { photo } from "../testing/photo.ts";
import { openServing } from "./index.ts";

const cat = readFileSync(photo("chelsea.png"));

it("answers as a classifier does, bit for bit", async () => {
  await using serving = await openServing({ backend: "onnx" });
  const model = await serving.load("cifar");
  await using classifier = await load({ backend: "onnx" });
  expect(await model.classify(cat, { top: 3 })).toEqual(await classifier.classify(cat, { top: 3 }));
  expect(await model.embed(cat)).toEqual((await classifier.features("avgpool", cat)).data);
  expect(await model.cam(cat, { class: "dog" })).toEqual(await classifier.cam(cat, { class: "dog" }));
  const image = fixtureInput("v1", [3, 3, 32, 32]);
  const { logits } = await classifier.executable.run({ image });
  expect((await model.infer(image)).logits).toEqual(logits);
});
