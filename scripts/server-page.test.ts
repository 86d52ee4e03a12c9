import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { complaintsOf, open } from "./starters/chromium.ts";

let [server, browser]: [ChildProcess?, Browser?] = [];
let url: string;
let page: Page;
let complaints: readonly string[];

beforeAll(async () => {
  const words = ["packages/cli/bin/residual.js", "serve", "--port", "0", "--no-grpc", "--no-log", "--json"];
  const env = { ...process.env, RESIDUAL_API_KEY: "the-key" };
  server = spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "ignore"] });
  const [text] = (await once(server.stdout!.setEncoding("utf8"), "data")) as [string];
  ({ url } = JSON.parse(text) as { readonly url: string });
  browser = await open();
});
afterAll(async () => {
  await browser?.close();
  server?.kill();
});

/** The page as its reader finds it at first: it asks for the key. */
beforeEach(async () => {
  page = await browser!.newPage({ viewport: { width: 360, height: 640 } });
  complaints = complaintsOf(page);
  await page.goto(url);
  await page.getByLabel("API key").fill("the-key");
  await page.getByLabel("API key").press("Enter");
});

const file = { name: "cat.png", mimeType: "image/png", buffer: readFileSync("photos/chelsea.png") };

async function expectCat(): Promise<void> {
  const classes = page.getByRole("list", { name: "Likeliest classes" }).getByRole("listitem");
  await classes.nth(4).waitFor();
  expect(await classes.first().textContent()).toBe("cat98.2 %");
  expect(await page.getByRole("progressbar").first().getAttribute("value")).toMatch(/^0\.982/);
}

/** Gives the page a file as a browser does after a paste or a drop. */
async function give(kind: "paste" | "drop"): Promise<void> {
  const bytes = file.buffer.toString("base64");
  await page.evaluate(
    ([kind, bytes]) => {
      const data = new DataTransfer();
      const content = Uint8Array.from(atob(bytes!), (char) => char.charCodeAt(0));
      data.items.add(new File([content], "cat.png", { type: "image/png" }));
      const init = { bubbles: true, clipboardData: data, dataTransfer: data };
      dispatchEvent(kind === "paste" ? new ClipboardEvent("paste", init) : new DragEvent("drop", init));
    },
    [kind, bytes],
  );
}

it("classifies a picture that is picked, with the keyboard alone", async () => {
  // Before the focus: the renderer hears of the wait and of a key in no order, and must answer between the two.
  const choosing = page.waitForEvent("filechooser");
  await page.getByLabel("Drop, paste or pick a picture").focus();
  await page.keyboard.press("Enter");
  await (await choosing).setFiles(file);
  await expectCat();
  expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
});

it.each(["paste", "drop"] as const)("classifies a picture by %s", async (kind) => {
  await give(kind);
  await expectCat();
});

it("says what is wrong with a file that is no picture", async () => {
  await page.setInputFiles("#file", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await page.getByText("expected JPEG, PNG, WebP").waitFor();
});

it("fits a phone", async () => {
  await page.setInputFiles("#file", file);
  await expectCat();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});
