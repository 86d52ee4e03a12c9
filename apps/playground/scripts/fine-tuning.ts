import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendNamed } from "@residual/pipeline";
import { fineTune, openData } from "@residual/training";
import { cifar10Labels, readCifar10 } from "@residual/vision";
import { shippedWeights } from "@residual/weights";
import { chromium } from "playwright";
import sharp from "sharp";
import { preview } from "vite";
import { launchOptions } from "../../../chromium.ts";
import { HEAD } from "../src/learning/head.ts";

// How long the last layer's training takes with 200 pictures in five classes, and what it gets right: in Node, and in
// Chromium on WebGPU, from the click to the result. The pictures are CIFAR-10's, enlarged to 256 × 256.
// Run, after a build: node --conditions=@residual/source scripts/fine-tuning.ts test_batch.bin

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("name a binary file of CIFAR-10");
const CLASSES = 5;
const PICTURES = 40;
const root = new URL("..", import.meta.url).pathname;

const folder = await mkdtemp(join(tmpdir(), "residual-fine-tuning-"));
try {
  await writePictures(folder, await readFile(file));
  tell("Node, onnx", await inNode(folder));
  tell("Chromium, webgpu", await inChromium(folder));
} finally {
  await rm(folder, { recursive: true });
}

interface Outcome {
  readonly seconds: number;
  /** Share of the held-out pictures. */
  readonly accuracy: number;
}

function tell(where: string, { seconds, accuracy }: Outcome): void {
  console.log(`${where}: ${seconds.toFixed(1)} s, ${(100 * accuracy).toFixed(1)} % of the held-out pictures right`);
}

async function writePictures(path: string, bytes: Uint8Array): Promise<void> {
  const images = readCifar10(bytes);
  for (const [label, name] of cifar10Labels.slice(0, CLASSES).entries()) {
    await mkdir(join(path, name));
    const some = images.filter((each) => each.label === label).slice(0, PICTURES);
    for (const [i, { pixels }] of some.entries()) {
      const { width, height, data } = pixels;
      const picture = sharp(data, { raw: { width, height, channels: 3 } })
        .resize(256, 256)
        .png();
      await writeFile(join(path, name, `${String(i).padStart(3, "0")}.png`), await picture.toBuffer());
    }
  }
}

async function inNode(path: string): Promise<Outcome> {
  const begin = performance.now();
  const { best } = await fineTune({
    ...(await openData(path)),
    model: "cifar_resnet20",
    weights: shippedWeights.url,
    backend: await backendNamed("onnx"),
    epochs: 0,
    head: HEAD,
    augmentation: {},
  });
  return { seconds: (performance.now() - begin) / 1000, accuracy: best.accuracy };
}

async function inChromium(path: string): Promise<Outcome> {
  const server = await preview({ root, preview: { port: 0 }, logLevel: "error" });
  const browser = await chromium.launch(await launchOptions());
  try {
    const page = await browser.newPage();
    await page.goto(`${server.resolvedUrls?.local[0]}#train`);
    const ready = page.locator("html[data-ready]");
    await ready.waitFor();
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("radio", { name: /^webgpu / }).check();
    await page.getByRole("button", { name: "Load", exact: true }).click();
    await page.locator(".network dd", { hasText: /^webgpu$/ }).waitFor();
    await page.getByLabel("Folder with a subfolder for each class").setInputFiles(path);
    await page.getByText(`${PICTURES}`).first().waitFor();
    await ready.waitFor();
    const begin = performance.now();
    await page.getByRole("button", { name: "Train", exact: true }).click();
    const accuracy = page.locator(".train-accuracy b");
    await accuracy.waitFor();
    const seconds = (performance.now() - begin) / 1000;
    return { seconds, accuracy: Number.parseFloat((await accuracy.textContent()) ?? "") / 100 };
  } finally {
    await browser.close();
    await server.close();
  }
}
