import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { AxeBuilder } from "@axe-core/playwright";
import { bisect, conform, type Report } from "@residual/conformance";
import { load } from "@residual/pipeline";
import { decodeImage, preprocess } from "@residual/vision";
import { wasm } from "@residual/wasm";
import type { Page } from "playwright";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { comparedBackends } from "../src/network/backends.ts";
import { isReady, photos, type Site, startSite } from "./site.ts";

let site: Site;
/** The room after all backends have run. Software GPUs take long, so they run beside the other tests. */
let ofAll: Promise<Page>;
const errors: Error[] = [];
beforeAll(async () => {
  site = await startSite();
  ofAll = runAll();
  ofAll.catch(() => {}); // which the test that waits for it sees
});
afterAll(() => site[Symbol.asyncDispose]());

async function runAll(): Promise<Page> {
  const page = await site.browser.newPage();
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(`${site.url}#compare`);
  await choose(page, ["wasm", "webgpu", "onnx", "onnx-webgpu", "tfjs-wasm", "tfjs-webgl", "tfjs-webgpu"]);
  await compare(page);
  return page;
}

/** The room, with these backends chosen and no others. */
async function roomWith(engines: readonly string[], options: Parameters<Site["open"]>[0] = {}): Promise<Page> {
  const page = await site.open({ at: "#compare", ...options });
  await choose(page, engines);
  return page;
}

async function choose(page: Page, engines: readonly string[]): Promise<void> {
  await isReady(page);
  for (const name of await page.locator(".engine .engine-name").allTextContents()) {
    const box = page.getByRole("checkbox", { name: new RegExp(`^${name}\\b(?!-)`) });
    await box.setChecked(engines.includes(name));
  }
}

async function compare(page: Page): Promise<void> {
  await page.getByText("5", { exact: true }).click(); // runs
  await page.getByRole("button", { name: /^(Compare|Run) \d/ }).click();
  await page.getByRole("button", { name: /^(Compare|Run) \d/ }).waitFor({ timeout: 280_000 });
}

const rowOf = (page: Page, name: string) =>
  page
    .locator(".results tbody tr")
    .filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${name}\\b(?!-)`) }) });

/** Every layer with the share of the first backend, with all the bits that the page has. */
async function sharesIn(page: Page): Promise<readonly (readonly [string, number])[]> {
  const rows = await page.locator(".data-scroll tbody tr").all();
  return Promise.all(
    rows.map(async (row) => {
      const [name] = (await row.locator("th").textContent())!.split(" ");
      return [name!, Number(await row.locator("td").first().getAttribute("data-share"))] as const;
    }),
  );
}

/** What a worker's code sees before it runs: the GPU's device is lost in the middle of the timed runs. */
const losesItsDevice = `
  const { requestDevice } = GPUAdapter.prototype;
  let device;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    device = await requestDevice.apply(this, given);
    return device;
  };
  let read = 0;
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...given) {
    if (++read === 12) device.destroy();
    return mapAsync.apply(this, given);
  };
`;

describe("the room", () => {
  it("fetches nothing of a backend before it is chosen, and finds a fault that is planted at its layer", async () => {
    const fetched = new Set<string>();
    const page = await roomWith(["wasm", "tfjs-wasm", "Break one on purpose"], {
      prepare: async (opened) => opened.on("response", (response) => fetched.add(new URL(response.url()).pathname)),
    });
    const ofBackends = () => [...fetched].filter((path) => /tfjs|onnx|ort-/.test(path));
    expect(ofBackends()).toEqual([]);
    await compare(page);
    expect(ofBackends()).toEqual([expect.stringMatching(/tfjs-backend-wasm-simd/)]);

    await page.getByRole("heading", { name: "Where broken differs" }).waitFor();
    await rowOf(page, "broken").getByText("differs at layer2.0.relu").click();
    const lit = page.locator(".drawing [data-nodes].lit");
    expect(await lit.getAttribute("data-nodes")).toBe("layer2.0.relu");
    const [frame, box] = [await page.locator(".drawing").boundingBox(), await lit.boundingBox()];
    expect(box!.y).toBeGreaterThanOrEqual(frame!.y);
    expect(box!.y + box!.height).toBeLessThanOrEqual(frame!.y + frame!.height);
    const facts = await page.locator(".element dd").allTextContents();
    expect(facts[0]).toMatch(/^\[0, \d+, \d+, \d+\]$/);
    expect(facts[1]).not.toBe(facts[2]);
    expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  });

  it("keeps a row that waits as low as one that is done", async () => {
    const page = await roomWith(["wasm", "webgpu", "tfjs-wasm"]);
    await page.getByRole("button", { name: /^Compare/ }).click();
    await rowOf(page, "webgpu").getByText("loads").waitFor();
    await rowOf(page, "tfjs-wasm").getByText("waits").waitFor();
    const heightOf = async (name: string) => (await rowOf(page, name).boundingBox())!.height;
    expect(await heightOf("tfjs-wasm")).toBeLessThanOrEqual(await heightOf("wasm"));
  });

  it("stops at once, and leaves no worker behind but the one that keeps the right answers", async () => {
    const page = await roomWith(["wasm", "webgpu"]);
    await page.getByRole("button", { name: /^Compare/ }).click();
    await rowOf(page, "webgpu").getByText("loads").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await rowOf(page, "webgpu").getByText("stopped").waitFor();
    await expect.poll(() => page.workers().filter((worker) => worker.url().includes("compare-worker")).length).toBe(1);
    await compare(page); // and begins again
    await rowOf(page, "webgpu").getByText("of its bound").waitFor();
  });

  it("goes on with the others when a device is lost", async () => {
    const page = await roomWith(["wasm", "webgpu", "tfjs-wasm"], workersBeginWith(losesItsDevice));
    await compare(page);
    expect(await rowOf(page, "webgpu").textContent()).toMatch(/device/i);
    for (const name of ["wasm", "tfjs-wasm"]) await rowOf(page, name).getByText("of its bound").waitFor();
  });

  it("says why a backend is not here, and goes on", async () => {
    const page = await roomWith(
      ["wasm", "webgpu", "tfjs-webgpu"],
      workersBeginWith('Object.defineProperty(navigator, "gpu", { value: undefined });'),
    );
    await compare(page);
    for (const name of ["webgpu", "tfjs-webgpu"])
      expect(await rowOf(page, name).textContent(), name).toMatch(/WebGPU.*; /);
    await rowOf(page, "wasm").getByText("of its bound").waitFor();
  });

  it("runs the suite, and its report is that of `residual conform`", async () => {
    const page = await roomWith([]);
    await page.getByText("This network", { exact: true }).click();
    for (const level of ["Ops", "Behaviour"]) await page.getByRole("checkbox", { name: level }).uncheck();
    const downloading = runSuite(page);
    const expected = await conform(wasm(), { models: ["cifar_resnet20"], only: ["nodes", "models", "images"] });
    const { reports } = JSON.parse(await downloading) as { readonly reports: readonly Report[] };
    const told = ({ passed, sections }: Report) => ({
      passed,
      sections: sections.map((section) => ({ ...section, milliseconds: 0 })),
    });
    expect(reports.map(told)).toEqual([expected].map(told));
  });
});

it("all backends agree, with the answers and shares that Node has", async () => {
  const page = await ofAll;
  expect(errors).toEqual([]);
  await using classifier = await load({ backend: "wasm" });
  const picture = `${photos}chelsea.png`;
  const [best] = await classifier.classify(picture, { top: 1 });
  const rows = page.locator(".results tbody tr");
  const answers = await rows.locator('[data-column="Answer"]').allTextContents();
  expect(answers).toEqual(Array.from({ length: 8 }, () => `${best!.label} ${(100 * best!.probability).toFixed(1)} %`));
  expect(await rows.getByText("of its bound").count()).toBe(7);
  expect(await page.locator(".outcome").textContent()).toBe("All 7 backends agree, each number within its bound.");
  await page.getByRole("heading", { name: "Where they differ: nowhere" }).waitFor();

  const image = preprocess(await decodeImage(picture), classifier.preprocessing);
  const expected: (readonly [string, number])[] = [];
  await bisect(
    wasm(),
    { graph: classifier.graph, inputs: { image } },
    { onNode: ({ name, share }) => expected.push([name, share!]) },
  );
  expect(await sharesIn(page)).toEqual(expected);
});

it.each([
  ["onnx", /^(ort-wasm-simd-threaded-|onnx-worker-wasm)/],
  ["onnx-webgpu", /^(ort-wasm-simd-threaded\.asyncify|onnx-worker-webgpu)/],
])("%s is as large as the room says", async (name, files) => {
  const folder = new URL("../dist/assets/", import.meta.url);
  const fetched = (await readdir(folder)).filter((file) => files.test(file));
  const sizes = await Promise.all(fetched.map(async (file) => gzipSync(await readFile(new URL(file, folder))).length));
  const size = sizes.reduce((sum, each) => sum + each, 0);
  const said = comparedBackends.find((backend) => backend.name === name)!.bytes;
  expect(size).toBeGreaterThan(0.95 * said);
  expect(size).toBeLessThan(1.05 * said);
});

/** Code that runs in each worker of the room before its own. */
function workersBeginWith(code: string): NonNullable<Parameters<Site["open"]>[0]> {
  return {
    prepare: (page) =>
      page.route(/compare-worker/, async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: code + (await response.text()) });
      }),
  };
}

async function runSuite(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Run the suite" }).click();
  const link = page.getByRole("link", { name: "JSON" });
  await link.waitFor({ timeout: 280_000 });
  return page.evaluate(async (url) => (await fetch(url)).text(), (await link.getAttribute("href"))!);
}
