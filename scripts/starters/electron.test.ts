import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { complaintsOf, open } from "./chromium.ts";
import { folderOf, photo } from "./starter.ts";

// Electron's binary is not on npm. The page runs in Chromium here, the utility process in Node, and the test carries
// messages between the two. Of main.js and preload.cjs only the types are checked, by Electron's own declarations.

const cat = { name: "cat.png", mimeType: "image/png", buffer: photo("chelsea.png") };
const noPicture = { name: "cat.png", mimeType: "image/png", buffer: Buffer.from("hello") };
const index = pathToFileURL(join(folderOf("electron"), "index.html")).href;

let browser: Browser;
let child: ChildProcess;
beforeAll(async () => {
  const execArgv = ["--import", resolve("scripts/starters/utility-process.ts")];
  child = fork(join(folderOf("electron"), "classifier.js"), { execArgv, serialization: "advanced" });
  browser = await open();
});
afterAll(async () => {
  child.kill();
  await browser.close();
});

interface Request {
  readonly id: number;
  readonly picture: readonly number[];
}

declare global {
  /** In the page: the answer of the child. */
  function answerInChild(request: Request): Promise<unknown>;
}

async function answerOf({ id, picture }: Request): Promise<unknown> {
  child.send({ id, picture: Uint8Array.from(picture).buffer });
  const [answer] = (await once(child, "message")) as [unknown];
  return answer;
}

/** The page, with a port whose other end is the child's. */
async function openPage(): Promise<Page> {
  const page = await browser.newPage();
  await page.exposeFunction("answerInChild", answerOf);
  await page.goto(index);
  expect(await page.getByLabel("Picture").isDisabled()).toBe(true);
  await page.evaluate(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = async ({ data: { id, picture } }: MessageEvent<{ id: number; picture: ArrayBuffer }>) =>
      port1.postMessage(await answerInChild({ id, picture: [...new Uint8Array(picture)] }));
    window.postMessage("classifier", "*", [port2]);
  });
  return page;
}

it("classifies, and tells what is wrong with a picture", async () => {
  const page = await openPage();
  const complaints = complaintsOf(page);
  await page.locator("input:enabled").setInputFiles(cat);
  await page.getByText(/^cat 98.2 %, /).waitFor();
  await page.locator("input:enabled").setInputFiles(noPicture);
  await page.getByText(/^FormatError: .*"hello", expected JPEG/).waitFor();
  expect(complaints).toEqual([]);
});
