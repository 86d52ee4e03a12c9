import { writeFile } from "node:fs/promises";
import { DeviceLostError, variants } from "@residual/core";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import { noiseDataset } from "../testing/noise.ts";
import type { BatchRequest } from "./make-batch.ts";
import { BatchThreads } from "./threads.ts";

const folder = temporaryFolder();
const request: BatchRequest = {
  examples: noiseDataset([2], 32).examples,
  recipe: {
    input: [3, 32, 32],
    preprocessing: variants.cifar_resnet20.preprocessing,
    classes: 1,
    augmentation: {},
    labelSmoothing: 0,
    unreadable: "replace",
  },
  draw: undefined,
};

it.each([
  ["exits", "process.exit(3)", "exit code 3"],
  ["throws", 'throw new Error("broken")', "broken"],
])("a thread that %s fails its batch, and those that wait for it get another", async (_, code, words) => {
  const path = folder.in(`${words}.mjs`);
  await writeFile(
    path,
    `import { parentPort } from "node:worker_threads";\nparentPort.once("message", () => { ${code} });`,
  );
  const threads = new BatchThreads(1, { path, execArgv: [] });
  const made = await Promise.allSettled([threads.make(request), threads.make(request)]);
  for (const { status, reason } of made as readonly PromiseRejectedResult[]) {
    expect(status).toBe("rejected");
    expect(reason).toBeInstanceOf(DeviceLostError);
    expect(String(reason)).toContain(words);
  }
  await threads.close();
});

it("threads that are closed can make batches again", async () => {
  const threads = new BatchThreads(2);
  const first = await threads.make(request);
  await threads.close();
  expect(await threads.make(request)).toEqual(first);
  await threads.close();
});
