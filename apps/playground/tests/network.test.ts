import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { fixtureWeights, readTensor, resnet, variants } from "@residual/core";
import { encodeSafetensors, shippedWeights } from "@residual/weights";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { offeredBackends } from "../src/network/backends.ts";
import { givePicture, isReady, photos, type Site, startSite } from "./site.ts";

let site: Site;
beforeAll(async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const policy = /^default-src .*$/m.exec(readme)![0];
  site = await startSite({ headers: { "Content-Security-Policy": policy } }); // a page that it blocks fails the test
});
afterAll(() => site[Symbol.asyncDispose]());

const built = fileURLToPath(new URL("../dist", import.meta.url));
const shipped = fileURLToPath(shippedWeights.url);
/** Real weights beside the repository, which are not in it. */
const real = fileURLToPath(new URL("../../../../shared/data/weights/", import.meta.url));

/** A file of numbers for a network of 1,000 classes, without metadata. */
async function resnet10File(folder: string): Promise<string> {
  const { tensors } = fixtureWeights(resnet(variants.resnet10t), "playground");
  const named = await Promise.all(
    [...tensors].map(async ([name, source]) => [name, await readTensor(source)] as const),
  );
  const file = join(folder, "mine.safetensors");
  await writeFile(file, Buffer.concat(encodeSafetensors(new Map(named))));
  return file;
}

const backendShown = (page: Page, name: string) =>
  page.locator(".network dd", { hasText: new RegExp(`^${name}$`) }).waitFor();

async function open(page: Page, kind: "Embedded" | "By name" | "From a file"): Promise<void> {
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByRole("radio", { name: kind }).check();
}

const load = (page: Page) => page.getByRole("button", { name: "Load", exact: true }).click();

/** The others' first run takes seconds on a software GPU; compare.test.ts has them all. */
const quick = offeredBackends.filter(({ name }) => name !== "onnx-webgpu" && name !== "tfjs-webgpu");

test("a backend is fetched when it is chosen, is as large as it says, and sees the cat", async () => {
  const page = await site.open();
  const fetched = new Set<string>();
  page.on("response", (response) => fetched.add(new URL(response.url()).pathname));
  await isReady(page);
  await page.getByRole("checkbox", { name: "Activation map" }).uncheck(); // software GPUs would take seconds for it
  for (const { name, bytes } of quick) {
    const before = new Set(fetched);
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("radio", { name: new RegExp(`^${name} `) }).check();
    await load(page);
    await backendShown(page, name === "auto" ? "wasm, chosen by auto" : name);
    await isReady(page);
    expect(await page.locator(".best").textContent(), name).toContain("cat");
    const added = await compressed([...fetched.difference(before)]);
    expect(added, name).toBeLessThan(1.05 * (bytes ?? 1)); // less where another of the library has fetched a part
    if (/^onnx|^tfjs-wasm/.test(name)) expect(added, name).toBeGreaterThan(0.95 * bytes!);
  }
});

async function compressed(paths: readonly string[]): Promise<number> {
  const sizes = paths.map(async (path) => gzipSync(await readFile(`${built}${path}`)).length);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test("a file of weights is loaded: chosen, and dropped with its model named by its tensors", async () => {
  const page = await site.open();
  await isReady(page);
  await open(page, "From a file");
  await page.getByLabel("File of weights").setInputFiles(shipped);
  await load(page);
  await page.locator(".network dd", { hasText: "resnet20-cifar10.safetensors, 10 classes" }).waitFor();
  await isReady(page);
  expect(await page.locator(".best").textContent()).toContain("cat");
});

test("weights of another model are a sentence, in the dialog, and the former network stays", async () => {
  const page = await site.open();
  await isReady(page);
  await open(page, "From a file");
  await page.getByLabel("File of weights").setInputFiles(shipped);
  await page.getByLabel("Model", { exact: true }).selectOption("resnet50");
  await load(page);
  const alert = page.getByRole("dialog").getByRole("alert");
  expect(await alert.textContent()).toMatch(/These weights cannot be used.*are for cifar_resnet20/s);
  await page.getByRole("button", { name: "Cancel" }).click();
  await backendShown(page, "wasm, chosen by auto");
});

test("a network of 1,000 classes is loaded from a file without metadata", async () => {
  const folder = await mkdtemp(join(tmpdir(), "playground-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const page = await site.open();
  await isReady(page);
  await open(page, "From a file");
  await page.getByLabel("File of weights").setInputFiles(await resnet10File(folder));
  await load(page);
  await page.locator(".network dd", { hasText: "1000 classes" }).waitFor();
  await isReady(page);
  await page.getByText("pixels (bicubic), cut 224 × 224 from the middle").waitFor();
});

const published = [
  ["cifar-resnet/resnet32-d509ac18.th", "cifar_resnet32"],
  ["cifar-resnet/resnet44-014dd654.safetensors", "cifar_resnet44"],
  ["mlperf-tiny-resnet8/pretrainedResnet.h5", "mlperf_tiny_resnet8"],
] as const;

test("published weights of three formats are recognized, and see the cat", async () => {
  const page = await site.open();
  await isReady(page);
  for (const [file, model] of published) {
    if (!existsSync(real + file)) console.warn(`SKIPPED: ${real}${file} is not on this machine`);
    else {
      await open(page, "From a file");
      await page.getByLabel("File of weights").setInputFiles(real + file);
      await load(page);
      await page.locator(".network dd", { hasText: new RegExp(`^${model}$`) }).waitFor();
      await isReady(page);
      expect(await page.locator(".best").textContent(), file).toContain("cat");
    }
  }
});

describe("weights with a name", () => {
  const name = "torchvision/resnet18.v1";
  const choose = async (page: Page) => {
    await open(page, "By name");
    await page.getByLabel("Find weights by name").fill("torch 18");
    await page.getByRole("radio", { name }).check();
    expect(await page.locator("label", { hasText: name }).textContent()).toMatch(
      /46\.8 MB.*69\.8 % top-1.*224 × 224.*BSD-3-Clause/,
    );
    await load(page);
  };

  test("are fetched with progress, and the download can be cancelled", async () => {
    const page = await site.open();
    await isReady(page);
    await page.context().route("https://download.pytorch.org/**", () => {}); // answers never
    await choose(page);
    await page.getByRole("progressbar", { name: "Loading the network" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("progressbar").waitFor({ state: "detached" });
    await backendShown(page, "wasm, chosen by auto");
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("that are not kept are refused at once offline, in a sentence", async () => {
    const page = await site.open({ isKept: true });
    await isReady(page);
    await page.getByText("Kept for use offline").waitFor();
    await page.context().setOffline(true);
    await choose(page);
    expect(await page.getByRole("alert").textContent()).toMatch(/resnet18\.v1: it is not downloaded/);
  });
});

describe("what is lost is there again", () => {
  test("a GPU's device: the network is loaded again, and the picture classified", async () => {
    const page = await site.open({
      prepare: (page) => before(page, keepDevices),
    });
    await isReady(page);
    const [worker] = page.workers();
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("radio", { name: /^webgpu / }).check();
    await load(page);
    await backendShown(page, "webgpu");
    await isReady(page);
    await worker!.evaluate("devices.forEach((device) => device.destroy())");
    await givePicture(page, `${photos}rocket.jpg`);
    await page.getByText("The GPU's device was lost. The network was loaded again").waitFor();
    await page.locator(".best", { hasText: "ship" }).waitFor();
  });

  test("the worker: another takes its place", async () => {
    const page = await site.open({ expected: /the worker is broken/ });
    await isReady(page);
    const [worker] = page.workers();
    await worker!.evaluate(() => {
      setTimeout(() => {
        throw new Error("the worker is broken");
      });
    });
    await givePicture(page, `${photos}rocket.jpg`);
    await page.getByText("A new one has taken its place").waitFor();
    await page.locator(".best", { hasText: "ship" }).waitFor();
  });
});

describe("a page that cannot do everything", () => {
  test("without WebGPU says so where it is chosen, and auto takes wasm", async () => {
    const page = await site.open({
      prepare: (page) => before(page, 'Object.defineProperty(navigator, "gpu", { value: undefined })'),
    });
    await isReady(page);
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("radio", { name: /^webgpu / }).check();
    await load(page);
    expect(await page.getByRole("alert").textContent()).toMatch(/This backend does not work here.*webgpu/s);
    await backendShown(page, "wasm, chosen by auto");
  });

  test("opens each room under the policy that the README gives", async () => {
    const page = await site.open({ isKept: true });
    await page.locator(".best", { hasText: "cat" }).waitFor();
    await page.getByText("Kept for use offline").waitFor();
    await page.getByRole("link", { name: "Compare" }).click();
    await page.getByRole("button", { name: /^Compare \d backends/ }).waitFor();
    await page.getByRole("link", { name: "Look inside" }).click();
    await page.getByRole("heading", { name: "Look inside" }).waitFor();
    await page.locator(".waiting").waitFor({ state: "detached" });
    await isReady(page);
  });

  test("whose server forbids WebAssembly says what the server has to allow", async () => {
    const policy = "script-src 'self'; object-src 'none'";
    await using strict = await startSite({ headers: { "Content-Security-Policy": policy } });
    const page = await strict.open({ expected: /Content Security Policy|WebAssembly/ });
    expect(await page.getByRole("alert").textContent()).toMatch(/lacks 'wasm-unsafe-eval'/);
    await page.getByRole("button", { name: "Choose a backend" }).click();
    await page.getByRole("radio", { name: /^tfjs-webgl / }).check();
    await load(page);
    await backendShown(page, "tfjs-webgl");
    await page.locator(".best", { hasText: "cat" }).waitFor();
  });
});

/** In the worker: remembers the GPU's devices that are opened from now on. */
const keepDevices = `
  self.devices = [];
  const open = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await open.apply(this, options);
    devices.push(device);
    return device;
  };
`;

/** Runs code in the worker before its script. */
async function before(page: Page, code: string): Promise<void> {
  await page.context().route(/worker-[^/]*\.js/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `{${code}}\n${await response.text()}` });
  });
}
