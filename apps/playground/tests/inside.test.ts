import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import {
  type AnyNode,
  evaluateOp,
  fixtureWeights,
  formatShape,
  nodesOf,
  readFloat64,
  resnet,
  summarize,
  type Tensor,
  toFloat64,
  type Value,
  variants,
} from "@residual/core";
import { type Classifier, load } from "@residual/pipeline";
import { writeSafetensors } from "@residual/weights";
import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cssColour } from "../src/inside/colours.ts";
import type { Explained } from "../src/inside/explain-number.ts";
import type { Channel } from "../src/inside/methods.ts";
import { sectionsOf } from "../src/inside/sections.ts";
import { isReady, photos, type Site, startSite } from "./site.ts";

const PHOTO = `${photos}chelsea.png`;

let site: Site;
let node: Classifier;
beforeAll(async () => {
  [site, node] = await Promise.all([startSite(), load({ backend: "wasm" })]);
});
afterAll(async () => {
  await Promise.all([site[Symbol.asyncDispose](), node.dispose()]);
});

/** The room, at rest with the first convolution open. */
async function enter(options: Parameters<Site["open"]>[0] = {}): Promise<Page> {
  const page = await site.open({ at: "#inside", ...options });
  await page.locator("[data-found]").waitFor();
  await isReady(page);
  return page;
}

/** Waits until all maps in view are painted. */
async function arePainted(page: Page): Promise<void> {
  await page.locator(".inside-row").first().waitFor();
  await page.waitForFunction(() => document.querySelector(".inside-row > canvas:not([data-painted])") === null);
}

type Call = readonly [method: string, argument: { readonly [name: string]: unknown }];

/** Answers of a worker's methods, called one after another, in a second worker of the built page. */
function answersOf(page: Page, calls: readonly Call[]): Promise<readonly unknown[]> {
  const url = page.workers()[0]!.url();
  return page.evaluate(
    async ({ url, calls }) => {
      const picture = await (await fetch("./photos/chelsea.png")).blob();
      const worker = new Worker(url, { type: "module" });
      const pixelsOf = (bitmap: ImageBitmap) => {
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
      };
      const answers: unknown[] = [];
      for (const [id, [method, argument]] of calls.entries()) {
        const answer = new Promise<unknown>((resolve, reject) => {
          worker.onmessage = ({ data }: MessageEvent<Answer>) => {
            if (data.kind === "done") resolve(data.value);
            if (data.kind === "failed") reject(new Error(data.error.message));
          };
        });
        worker.postMessage({ kind: "call", id, method, argument: { ...argument, id: 1, picture } });
        const found = await answer;
        answers.push(found instanceof ImageBitmap ? pixelsOf(found) : found);
      }
      worker.terminate();
      return answers;
    },
    { url, calls },
  );
}

type Answer =
  | { readonly kind: "progress" }
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: { readonly message: string } };

const named = (name: string): AnyNode => nodesOf(node.graph).find((each) => each.name === name)!;

/** The values of a layer's section in Node, on the same backend. */
async function valuesAround(layer: AnyNode): Promise<{ readonly [name: string]: Tensor<"float32"> }> {
  const { names } = sectionsOf(node.graph).find(({ nodes }) => nodes.includes(layer))!;
  return node.features(names, PHOTO);
}

test("maps have Node's numbers, bit for bit", async () => {
  const page = await enter();
  const layers = ["conv1", "relu", "layer2.0.conv1", "layer3.2.add", "avgpool", "fc"].map(named);
  const calls = layers.flatMap(({ name, shape }) =>
    Array.from({ length: Number(shape[1]) }, (_, channel) => ["channelOf", { name, channel }] as const),
  );
  const [, ...found] = await answersOf(page, [["load", { backend: "wasm" }], ...calls]);
  const planes = found.map((each) => (each as Channel).numbers);
  for (const layer of layers) {
    const expected = (await valuesAround(layer))[layer.name]!.data;
    const own = planes.splice(0, Number(layer.shape[1]));
    expect(bytesOf(Float32Array.from(own.flatMap((plane) => [...plane]))), layer.name).toEqual(bytesOf(expected));
  }
});

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

test("maps are painted in the colours of their numbers", async () => {
  const page = await enter();
  const request = { name: "conv1", of: "output", channels: [3, 15], side: 32, gap: 4, palette: "dark" } as const;
  const scales = ["map", "layer"] as const;
  const calls = scales.map((scale) => ["paintMaps", { ...request, scale }] as const);
  const [, ...painted] = await answersOf(page, [["load", { backend: "wasm" }], ...calls]);
  const numbers = (await valuesAround(named("conv1"))).conv1!.data;
  const largestOf = (some: Float32Array) => some.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  for (const [i, scale] of scales.entries()) {
    for (const [at, channel] of request.channels.entries()) {
      const map = numbers.subarray(channel * 1024, (channel + 1) * 1024);
      const largest = largestOf(scale === "layer" ? numbers : map);
      for (const [row, column] of [
        [5, 5],
        [16, 3],
        [30, 20],
      ] as const) {
        const start = 4 * (row * (2 * 32 + 4) + at * (32 + 4) + column);
        const [r, g, b] = (painted[i] as Uint8ClampedArray).subarray(start, start + 3);
        expect(`rgb(${r} ${g} ${b})`).toBe(cssColour(map[row * 32 + column]!, largest, "dark"));
      }
    }
  }
});

test("each number's products sum to it, in float64 to the op's own answer, in float32 within the bound", async () => {
  const page = await enter();
  const layers = nodesOf(node.graph).filter(({ name }) => /^(conv1|bn1|layer2\.0\.|avgpool|fc)/.test(name));
  const places = layers.flatMap(({ name, shape: [, channels, height = 1, width = 1] }) =>
    [0, 0.5, 0.99].map((share) => {
      const [row, column] = [Math.floor(share * Number(height)), Math.floor((1 - share) * 0.99 * Number(width))];
      return { name, channel: Math.floor(share * Number(channels)), row, column, limit: 2 };
    }),
  );
  const calls = places.map((place) => ["explainNumber", place] as const);
  const [, ...all] = await answersOf(page, [["load", { backend: "wasm" }], ...calls]);
  for (const layer of layers) {
    const values = await valuesAround(layer);
    const exact = await exactly(layer, values);
    const [, , height = 1, width = 1] = layer.shape.map(Number);
    for (const [at, place] of places.entries()) {
      if (place.name !== layer.name) continue;
      const explained = all[at] as Explained;
      const flat = (place.channel * height + place.row) * width + place.column;
      expect(explained.found, layer.name).toBe(values[layer.name]!.data[flat]);
      expect(explained.exact, layer.name).toBeCloseTo(exact[flat]!, 12);
      expect(Math.abs(explained.found - exact[flat]!), layer.name).toBeLessThanOrEqual(explained.bound!);
      if (explained.explanation.kind !== "sum") continue;
      const { terms, rest, bias = 0 } = explained.explanation;
      expect(terms.reduce((sum, term) => sum + term.sum, rest.sum + bias)).toBeCloseTo(explained.exact, 12);
    }
  }
});

/** A layer's answer in float64, from the backend's own inputs. */
async function exactly(layer: AnyNode, values: { readonly [name: string]: Tensor<"float32"> }): Promise<Float64Array> {
  const entries = Object.entries(layer.inputs).map(async ([input, value]) => [input, await inFloat64(value, values)]);
  const inputs = Object.fromEntries(await Promise.all(entries)) as { readonly [input: string]: Tensor<"float64"> };
  const shape = layer.shape.map((size) => (size === "N" ? 1 : size));
  return evaluateOp(layer, inputs, shape);
}

async function inFloat64(value: Value, values: { readonly [name: string]: Tensor<"float32"> }) {
  if (value.kind === "constant") return readFloat64(value.source);
  const { data } = toFloat64(values[value.name]!);
  return { dtype: "float64", shape: value.shape.map((size) => (size === "N" ? 1 : size)), data };
}

test("the page shows the number, and follows it back along the network", async () => {
  const page = await enter();
  const { conv1 } = await valuesAround(named("conv1"));
  const largest = conv1!.data.reduce((most, each) => Math.max(most, each));
  expect(Number(await page.locator("[data-found]").getAttribute("data-found"))).toBe(largest);
  await page.getByRole("button", { name: /: layer2\.0\.conv2, / }).press("Enter");
  await page.getByRole("heading", { name: "layer2.0.conv2", exact: true }).waitFor();
  await page.getByRole("slider", { name: "A place of map" }).waitFor();
  const source = page.getByRole("button", { name: /^Open map \d+ of the layer before/ }).first();
  const channel = Number(/\d+/.exec((await source.getAttribute("aria-label"))!)![0]);
  await source.click();
  await page.getByRole("heading", { name: "layer2.0.relu", exact: true }).waitFor();
  await page.getByRole("heading", { name: `Map ${channel}`, exact: true }).waitFor();
  await page.getByText(/^max\(/).waitFor();
});

test("another picture is looked at through the same layer", async () => {
  const page = await enter();
  await page.getByRole("button", { name: /: layer1\.0\.conv2, / }).press("Enter");
  await page.getByRole("heading", { name: "layer1.0.conv2", exact: true }).waitFor();
  const { names } = sectionsOf(node.graph).find(({ nodes }) => nodes.includes(named("layer1.0.conv2")))!;
  const { data } = (await node.features(names, `${photos}rocket.jpg`))["layer1.0.conv2"]!;
  await page.getByRole("button", { name: "a rocket" }).click();
  await page.locator(`[data-found="${data.reduce((most, each) => Math.max(most, each))}"]`).waitFor();
});

test("a place is found with the mouse and with the keyboard, and its field is drawn on the photo", async () => {
  const page = await enter();
  const map = page.getByRole("slider", { name: "A place of map" });
  const numbers = (await valuesAround(named("conv1"))).conv1!.data;
  const channel = Number(/\d+/.exec((await map.getAttribute("aria-label"))!)![0]);
  const isShown = (row: number, column: number) =>
    page.locator(`[data-found="${numbers[(channel * 32 + row) * 32 + column]}"]`).waitFor();
  const { width, height } = (await map.boundingBox())!;
  await map.click({ position: { x: (width * 10.5) / 32, y: (height * 20.5) / 32 } });
  await isShown(20, 10);
  await page.mouse.move(0, 0);
  await map.focus();
  for (const key of ["ArrowRight", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  await isShown(22, 11);
  expect(await map.getAttribute("aria-valuetext")).toContain("row 22, column 11");
  const field = await page.locator(".inside-outline.field").getAttribute("style");
  expect(field).toContain(
    `top: ${(100 * 21) / 32}%; left: ${(100 * 10) / 32}%; height: ${300 / 32}%; width: ${300 / 32}%`,
  );
});

test("the keyboard walks along the network; screen readers hear each layer, and each line's shape", async () => {
  const page = await enter();
  const focused = () =>
    page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.getAttribute("aria-label"));
  await page.getByRole("button", { name: /: conv1, / }).focus();
  expect(await focused()).toBe(
    "3×3 conv, 16 BN · ReLU: conv1, 3 × 3 convolution; bn1, batch normalization; relu, ReLU: " +
      "16 × 32 × 32, 464 parameters, 442,368 multiply-adds",
  );
  await page.keyboard.press("ArrowDown");
  expect(await focused()).toMatch(/: layer1\.0\.conv1, /);
  await page.keyboard.press("ArrowRight");
  expect(await focused()).toBe("connection that carries layer1.0.relu, 16 × 32 × 32");
  await page.keyboard.press("ArrowDown");
  expect(await focused()).toMatch(/: layer1\.0\.conv2, /);
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "layer1.0.relu", exact: true }).waitFor();
  expect(await page.locator(".inside-drawing [tabindex='0']").getAttribute("data-value")).toBe("layer1.0.relu");
  expect(await page.locator(".inside-detail").textContent()).toContain("64.0 KiB (65,536)");
  await page.getByRole("button", { name: /^layer1\.0\.conv2 / }).waitFor();

  const shapes = new Map(summarize(node.graph).layers.map(({ name, shape }) => [name, formatShape(shape.slice(1))]));
  const lines = await page
    .locator(".edge[data-value][aria-label]")
    .evaluateAll((all) =>
      all.map((line) => [line.getAttribute("data-value")!, line.getAttribute("aria-label")!] as const),
    );
  expect(lines.length).toBeGreaterThan(40);
  for (const [value, label] of lines)
    expect(label.replaceAll(" ", "")).toContain(`,${value === "image" ? "3×32×32" : shapes.get(value)}`);
});

test("2,048 maps take no task of 100 ms of the page's thread, and only those in view are in the page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "inside-"));
  try {
    const spec = resnet(variants.resnet14t, { name: "resnet14t" });
    await writeSafetensors(join(folder, "resnet14t.safetensors"), fixtureWeights(spec, "v1").tensors);
    const page = await enter();
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByText("From a file").click();
    await page.getByLabel("File of weights").setInputFiles(join(folder, "resnet14t.safetensors"));
    const tasks = await tasksOf(page, async () => {
      await page.getByRole("button", { name: "Load", exact: true }).click();
      await page.getByText(/(64|24) maps of 112 × 112 numbers/).waitFor();
      await page.getByText("Stages", { exact: true }).click();
      await page.locator("[data-nodes^='layer4.0.'][data-nodes*='conv1'][data-nodes*='conv3']").press("Enter");
      await page.getByRole("heading", { name: "2,048 maps of 7 × 7 numbers" }).waitFor();
      await arePainted(page);
      await page.getByText("By number").click();
      await page.getByRole("listbox", { name: "Feature maps" }).press("End");
      const last = page.getByRole("option", { name: /^2047,/ });
      await last.waitFor();
      await arePainted(page);
      expect(await last.getAttribute("aria-posinset")).toBe("2048");
      expect(await page.getByRole("option").count()).toBeLessThan(150);
      await page.getByText("Whole layer").click();
      await arePainted(page);
    });
    expect(tasks.length).toBeGreaterThan(100);
    expect(Math.max(...tasks)).toBeLessThan(100);
  } finally {
    await rm(folder, { recursive: true });
  }
});

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the thread's own time. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/** Milliseconds of each task of the page's thread, in the thread's own time: other processes do not lengthen it. */
async function tasksOf(page: Page, work: () => Promise<void>): Promise<readonly number[]> {
  const session = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }: { readonly value: readonly object[] }) =>
    events.push(...(value as readonly TraceEvent[])),
  );
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel"] },
  });
  await work();
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
  const mains = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }: TraceEvent) => mains.some((main) => main.pid === pid && main.tid === tid);
  return events.flatMap((event) => (event.name.endsWith("RunTask") && isMain(event) ? [(event.tdur ?? 0) / 1000] : []));
}

test.each([
  ["light", "desktop"],
  ["dark", "phone"],
] as const)("axe finds nothing, and nothing overflows: %s, %s", async (theme, screen) => {
  const page = await enter({ theme, screen });
  await page.getByRole("button", { name: /: layer2\.1\.conv1, / }).press("Enter");
  await page.getByRole("heading", { name: "layer2.1.conv1", exact: true }).waitFor();
  await arePainted(page);
  await page.getByText("All of them sum to").waitFor();
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  const [width, all] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  expect(all).toBeLessThanOrEqual(width);
});
