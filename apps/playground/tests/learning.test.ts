import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNamed, knownPreprocessing, load, prepare } from "@residual/pipeline";
import type { Page } from "playwright";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerTo, ascentGraph, climb } from "../src/inside/ascent.ts";
import { greyNoise } from "../src/inside/ascent-picture.ts";
import { numberWords } from "../src/inside/words.ts";
import { shortfallOf } from "../src/train/shortfall.ts";
import { givePicture, isReady, type Site, shownClasses, startSite } from "./site.ts";
import { isSound } from "./sound.ts";

let site: Site;
let folder: string;
beforeAll(async () => {
  [site, folder] = await Promise.all([startSite(), mkdtemp(join(tmpdir(), "residual-"))]);
});
afterAll(() => Promise.all([site[Symbol.asyncDispose](), rm(folder, { recursive: true, force: true })]));

test("what a class wants to see is drawn live, with Node's numbers, and the drawing can be cancelled", async () => {
  const page = await site.open({ at: "#inside" });
  await page.locator("[data-found]").waitFor();
  await isReady(page);
  await page.getByRole("button", { name: /: fc, / }).press("Enter");
  const card = page.getByRole("region", { name: "What cat wants to see" });
  await card.getByRole("button", { name: "Draw it" }).click();
  await page.waitForFunction(() => Number(document.querySelector<HTMLElement>("[data-steps]")?.dataset.steps) >= 8);
  await page.getByRole("button", { name: "Cancel" }).click();
  await card.getByText("Stopped after").waitFor();
  const steps = Number(await card.locator("[data-steps]").getAttribute("data-steps"));
  expect(steps).toBeLessThan(96);
  const [noise, now] = await Promise.all(
    ["On the noise", "On this picture"].map((name) =>
      card.locator("dt", { hasText: name }).locator("+ dd").textContent(),
    ),
  );
  const expected = await peaksInNode("fc", 3, steps);
  expect([noise, now]).toEqual(expected.map((each) => numberWords(each)));
  expect(expected[1]).toBeGreaterThan(expected[0]);
  await isSound(page, "what a channel wants to see", '[aria-label="What cat wants to see"]');
});

/** The largest number of a channel's map: of the noise, and of the picture after `steps` steps. */
async function peaksInNode(layer: string, channel: number, steps: number): Promise<readonly [number, number]> {
  const network = await prepare({});
  const graph = ascentGraph(network.graph, layer);
  await using executable = await (await backendNamed("wasm")).compile(graph);
  const options = { graph, executable, preprocessing: knownPreprocessing(network), channel };
  let planes = greyNoise(32, "v1");
  const { peak } = await answerTo(planes, options);
  for (let step = 0; step < steps; step++) planes = await climb(planes, step, options);
  return [peak, (await answerTo(planes, options)).peak];
}

const colours = { green: "#2f8f3a", red: "#b0282e", white: "#e9e6e0" } as const;

/** Pictures of a colour that differ a little. */
async function pictureOf(colour: string, shade: number): Promise<Buffer> {
  const svg = `<svg width="48" height="48"><circle cx="${12 + 3 * shade}" cy="24" r="9" fill="#345"/></svg>`;
  const canvas = sharp({ create: { width: 48, height: 48, channels: 3, background: colour } });
  return canvas
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

async function writeClasses(path: string): Promise<void> {
  for (const [name, colour] of Object.entries(colours)) {
    await mkdir(join(path, name), { recursive: true });
    for (let i = 0; i < 6; i++) await writeFile(join(path, name, `${i}.png`), await pictureOf(colour, i));
  }
  await writeFile(join(path, "red", "notes.png"), "these are notes");
  await writeFile(join(path, "loose.png"), await pictureOf(colours.red, 0));
}

test("a network learns a folder's classes and a recorded one; Classify and Node use its weights", async () => {
  await writeClasses(join(folder, "classes"));
  const page = await site.open({ at: "#train", prepare: (page) => page.addInitScript(filmBlue) });
  await isReady(page);
  const trainButton = page.getByRole("button", { name: "Train", exact: true });
  await page.getByText("Class 1 and Class 2 have no pictures yet").waitFor();
  await page.getByLabel("Pictures of Class 1").setInputFiles({
    name: "one.png",
    mimeType: "image/png",
    buffer: await pictureOf(colours.red, 0),
  });
  await page.getByText("Class 1 has one picture").waitFor();
  expect(await trainButton.isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Remove Class 1" }).click();
  await page.getByLabel("Folder with a subfolder for each class").setInputFiles(join(folder, "classes"));
  await page.getByText("notes.png left out: not a picture that this browser can read.").waitFor();
  await page.getByText("loose.png left out: in no subfolder, so in no class.").waitFor();
  await record(page, "blue");
  await isReady(page);
  await trainButton.click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await isReady(page);
  expect(await page.getByText("kept aside").count()).toBe(0);
  await trainButton.click();
  await page.getByText(/\d of \d pictures that were kept aside are recognised/).waitFor();
  expect(await page.locator(".train-accuracy b").textContent()).toBe("100.0 %");
  await page.getByRole("button", { name: "1 of green taken for green" }).click();
  const opened = page.getByRole("region", { name: "green, taken for green" });
  expect(await opened.getByRole("img").count()).toBe(1);
  await isReady(page);
  await isSound(page, "a training's result", ".train");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "best.safetensors" }).click(),
  ]);
  const weights = join(folder, download.suggestedFilename());
  await download.saveAs(weights);
  await page.getByRole("link", { name: "Classify" }).click();
  const buffer = await pictureOf(colours.red, 2.5);
  await givePicture(page, { name: "new.png", mimeType: "image/png", buffer });
  await page.locator(".best", { hasText: "red" }).waitFor();
  await isReady(page);
  await using classifier = await load({ weights, backend: "wasm" });
  const predictions = await classifier.classify(buffer);
  expect(await shownClasses(page)).toEqual(
    predictions.map(({ label, probability }) => [label, Math.fround(probability)]),
  );
});

/** Adds a class, and holds its button for a moment, by the keyboard. */
async function record(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Start the camera" }).click();
  await page.getByRole("button", { name: "Add a class" }).click();
  await page.getByLabel("Name of the class").last().fill(name);
  const button = page.getByRole("button", { name: `Hold to record ${name}` });
  const count = () => page.locator(".train-name .figures").last().textContent();
  await button.focus();
  await expect
    .poll(async () => {
      await page.keyboard.down(" "); // repeats, as a key that is held
      return Number.parseInt((await count())!, 10);
    })
    .toBeGreaterThanOrEqual(4);
  await page.keyboard.up(" ");
  const taken = await count();
  await page.waitForTimeout(400);
  expect(Number.parseInt((await count())!, 10) - Number.parseInt(taken!, 10)).toBeLessThanOrEqual(1);
  await page.getByRole("button", { name: "Stop the camera" }).click();
}

/** In the page: a camera that films blue. */
function filmBlue(): void {
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    const context = canvas.getContext("2d")!;
    setInterval(() => {
      context.fillStyle = `hsl(${215 + (performance.now() % 20)} 80% 40%)`;
      context.fillRect(0, 0, 320, 240);
    }, 50);
    return canvas.captureStream();
  };
}

test("what is missing before a training is said in sentences", () => {
  const of = (...counts: readonly (readonly [string, number])[]) =>
    shortfallOf(counts.map(([name, count]) => ({ name, pictures: Array.from({ length: count }) })));
  expect(of(["a", 2], ["b", 2])).toEqual([]);
  expect(of(["a", 2])).toEqual(["There must be two classes to tell apart: add one."]);
  expect(of(["a", 2], [" ", 2])).toEqual(["A class has no name: give it one."]);
  expect(of(["a", 2], ["a ", 2])).toEqual(["Two classes are named a: rename one."]);
  expect(of(["a", 0], ["b", 1], ["c", 0], ["d", 0])).toEqual([
    "a, c and d have no pictures yet: record some, add some, or remove the class.",
    "b has one picture: give it another, to judge by.",
  ]);
});
