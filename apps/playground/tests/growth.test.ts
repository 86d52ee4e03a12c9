import { fileURLToPath } from "node:url";
import { shippedWeights } from "@residual/weights";
import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changeNetwork, classifyPictures, type Held, heldBy } from "./growth.ts";
import { isReady, type Site, startSite } from "./site.ts";

// RESIDUAL_LONG=1 takes 50 pictures and 20 networks.
const LONG = process.env.RESIDUAL_LONG === "1";
const weights = fileURLToPath(shippedWeights.url);

let site: Site;
beforeAll(async () => {
  site = await startSite();
});
afterAll(() => site[Symbol.asyncDispose]());

/**
 * Bytes. A map that is kept takes 7e5 and a network 1e6, each time. V8, which learns about code that runs again, takes
 * less than 1e5 for each.
 */
const SLACK = 1e6;

async function growthDuring(page: Page, work: (count: number) => Promise<void>, count: number): Promise<Held> {
  await work(4); // what is made once: compiled code, caches
  const before = await heldBy(page);
  await work(count);
  const after = await heldBy(page);
  console.log(`after ${count} more: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
  return {
    bytes: after.bytes - before.bytes,
    workers: after.workers - before.workers,
    elements: after.elements - before.elements,
  };
}

test("pictures in a row, and changes of the network, leave nothing behind", async () => {
  const page = await site.open();
  await isReady(page);
  const pictures = await growthDuring(page, (count) => classifyPictures(page, count), LONG ? 50 : 10);
  expect(pictures.bytes).toBeLessThan(SLACK);
  expect(pictures).toMatchObject({ workers: 0, elements: 0 });
  const networks = await growthDuring(page, (count) => changeNetwork(page, count, weights), LONG ? 20 : 6);
  expect(networks.bytes).toBeLessThan(SLACK);
  expect(networks).toMatchObject({ workers: 0, elements: 0 });
});
