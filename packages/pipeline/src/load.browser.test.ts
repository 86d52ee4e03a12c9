import { FormatError } from "@residual/core";
import { expect, inject, it } from "vitest";
import { backendNames, type Classifier, load } from "./index.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the repository. */
    readonly repository: string;
  }
}

/** As in Node (load.test.ts): the card of the weights. */
async function expectCat(classifier: Classifier): Promise<void> {
  const [first] = await classifier.classify(`/@fs${inject("repository")}photos/chelsea.png`);
  expect(first).toEqual({ label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number });
}

it("classifies in a browser, with the weights inside, which are fetched", async () => {
  await using classifier = await load({ backend: "reference" });
  expect(classifier).toMatchObject({ model: "cifar_resnet20", weights: "resnet20-cifar10" });
  await expectCat(classifier);
});

it("on the best backend that is there", async () => {
  await using classifier = await load();
  expect(backendNames).toContain(classifier.backend.name);
  await expectCat(classifier);
});

it("refuses a file, which a browser does not have, as an unknown name", async () => {
  await expect(load({ weights: "mine.safetensors", backend: "reference" })).rejects.toThrow(FormatError);
});
