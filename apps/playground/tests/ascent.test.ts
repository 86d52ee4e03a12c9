import { reference } from "@residual/core";
import { backendNamed, knownPreprocessing, type Prepared, prepare } from "@residual/pipeline";
import { beforeAll, describe, expect, test } from "vitest";
import { type AscentOptions, answerTo, ascentGraph, climb } from "../src/inside/ascent.ts";
import { blurred, bytesOf, greyNoise, inputOf, rolled, stepped } from "../src/inside/ascent-picture.ts";

let network: Prepared;
beforeAll(async () => {
  network = await prepare({});
});

/** A channel's ascent on a backend, ended with the test. */
async function ascentOn(name: "wasm" | "reference", layer: string, channel: number): Promise<AscentOptions> {
  const backend = name === "reference" ? reference : await backendNamed(name);
  const graph = ascentGraph(network.graph, layer);
  const executable = await backend.compile(graph);
  return { graph, executable, preprocessing: knownPreprocessing(network), channel };
}

const channels = [
  ["conv1", 9],
  ["layer1.0.conv1", 2],
  ["layer2.2.relu", 3],
  ["fc", 3],
] as const;

describe("what a channel wants to see", () => {
  // Each float32 sum of n products is off by about √n · 2⁻²⁴ of their size. The longest here have n = 576, and at most
  // 40 of them follow on one another, 20 forward and 20 backward, with errors that are independent: √(40 · 576) · 2⁻²⁴.
  const FLOAT32 = Math.sqrt(40 * 576) * 2 ** -24;
  test.each(channels)("the gradient of %s, channel %i, is the reference's within float32's error", async (...of) => {
    const planes = greyNoise(32, "test");
    const [found, expected] = await Promise.all(
      (["wasm", "reference"] as const).map(async (name) => {
        const options = await ascentOn(name, ...of);
        const answer = await answerTo(planes, options);
        await options.executable.dispose();
        return answer;
      }),
    );
    const largest = Math.max(...expected!.gradient.map(Math.abs));
    const off = Math.max(...found!.gradient.map((each, i) => Math.abs(each - expected!.gradient[i]!)));
    expect(largest).toBeGreaterThan(0);
    expect(off / largest).toBeLessThan(FLOAT32);
    expect(Math.abs(found!.goal / expected!.goal - 1)).toBeLessThan(FLOAT32);
  });

  test.each(channels)("eight steps raise the goal of %s, channel %i, and the pixels stay colours", async (...of) => {
    const options = await ascentOn("wasm", ...of);
    let planes = greyNoise(32, "test");
    const before = await answerTo(planes, options);
    for (let step = 0; step < 8; step++) planes = await climb(planes, step, options);
    const after = await answerTo(planes, options);
    await options.executable.dispose();
    expect(after.goal).toBeGreaterThan(before.goal);
    expect(planes.every((each) => each >= 0 && each <= 1)).toBe(true);
  });

  test("the gradient of the goal is what a small step changes it by, in float64", async () => {
    const options = await ascentOn("reference", "layer1.0.conv1", 2);
    const planes = greyNoise(32, "test");
    const { goal, gradient } = await answerTo(planes, options);
    const at = gradient.findIndex((each) => Math.abs(each) === Math.max(...gradient.map(Math.abs)));
    const moved = planes.slice();
    moved[at]! += 2 ** -8;
    const step = (moved[at]! - planes[at]!) / options.preprocessing.std[Math.floor(at / 1024)]!;
    const change = (await answerTo(moved, options)).goal - goal;
    expect(change / (gradient[at]! * step)).toBeCloseTo(1, 1); // the squares bend within the step
    await options.executable.dispose();
  });

  test("a layer without that name is refused", () => {
    expect(() => ascentGraph(network.graph, "layer9")).toThrow("cifar_resnet20 has no layer layer9");
  });
});

describe("the picture", () => {
  const planes = Float32Array.from({ length: 27 }, (_, i) => i / 27);

  test("is rolled around its edges, plane by plane", () => {
    const [first] = [rolled(planes, 3, 1, -1).slice(0, 9)];
    expect(first.map((each) => Math.round(each * 27))).toEqual(Float32Array.of(7, 8, 6, 1, 2, 0, 4, 5, 3));
    expect(rolled(rolled(planes, 3, 2, 1), 3, -2, -1)).toEqual(planes);
  });

  test("is blurred to its mean, and an even one stays", () => {
    const even = new Float32Array(27).fill(0.25);
    for (const each of blurred(even, 3, 1)) expect(each).toBeCloseTo(0.25, 6);
    const wide = blurred(planes, 3, 9);
    for (const [i, each] of wide.entries()) expect(each).toBeCloseTo((4 + 9 * Math.floor(i / 9)) / 27, 2);
    const dot = new Float32Array(75);
    dot[12] = 1; // in the middle of the first plane
    const spread = blurred(dot, 5, 0.5);
    expect(spread[7]).toBeCloseTo(spread[11]!, 6);
    expect(spread[7]! / spread[12]!).toBeCloseTo(Math.exp(-0.5 / 0.25), 5);
  });

  test("is read by the network's preprocessing, in its order of channels", () => {
    const reading = { scale: 255, mean: [0.5, 0.25, 0], std: [0.5, 0.25, 1] };
    const colour = Float32Array.of(1, 0.5, 0.25);
    expect([...inputOf(colour, 1, reading).data]).toEqual([1, 1, 0.25]);
    expect([...inputOf(colour, 1, { ...reading, scale: 1, channels: "bgr" }).data]).toEqual([63.75, 509, 509]);
    expect([...bytesOf(colour)]).toEqual([255, 128, 64]);
  });

  test("stays as it is where the gradient is 0", () => {
    expect(stepped(planes, new Float32Array(27), 3, { rate: 0.1, decay: 0.1 })).toBe(planes);
  });
});
