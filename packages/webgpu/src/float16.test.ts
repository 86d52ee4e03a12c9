import { constant, type Graph, graph, input, ops, tensor, type Value } from "@residual/core";
import { useLavapipe } from "@residual/kit/testing/lavapipe";
import { describe, expect, it } from "vitest";
import { type WebgpuOptions, webgpu } from "./index.ts";

const CHANNELS = 16;
const image = (value: number) => ({ x: tensor([1, CHANNELS, 4, 4], new Float32Array(CHANNELS * 16).fill(value)) });

/** A 1 × 1 convolution that sums the channels and multiplies the sum by `times`, with a bias. */
function summed(x: Value, name: string, times: number, bias = 0): Value {
  const weight = constant(
    `${name}.weight`,
    tensor([CHANNELS, CHANNELS, 1, 1], new Float32Array(CHANNELS ** 2).fill(times)),
  );
  return ops.conv2d({
    x,
    weight,
    bias: constant(`${name}.bias`, tensor([CHANNELS], new Float32Array(CHANNELS).fill(bias))),
  });
}

/** For a constant image x: relu(2000 − 16 · 16 · x / 1000), with 16 · x as a value in between. */
function thereAndBack(): Graph {
  const x = input("x", [1, CHANNELS, 4, 4]);
  const large = summed(x, "first", 1);
  return graph({ name: "there", inputs: { x }, outputs: { y: ops.relu({ x: summed(large, "second", -1e-3, 2000) }) } });
}

const ways: readonly (readonly [string, WebgpuOptions])[] = (["storage", "products"] as const).flatMap((float16) =>
  (["software", "gpu", "plain"] as const).map(
    (kernels) => [`${float16} in float16, kernels "${kernels}"`, { float16, kernels }] as const,
  ),
);

const missing = await useLavapipe("float16 of webgpu");
describe.skipIf(missing !== undefined)(`numbers beyond float16${missing ? ` (${missing})` : ""}`, () => {
  it.each(ways)("on the way are refused, though the results would be numbers: %s", async (_, options) => {
    await using executable = await webgpu(options).compile(thereAndBack());
    const run = async (value: number) => (await executable.run(image(value))).y!.data[0]!;
    // 16 · 12.5 = 200, and 2,000 − 200 · 16 / 1000 = 1,996.8; the nearest float16 is 1,997
    expect(Math.abs((await run(12.5)) - 1996.8)).toBeLessThan(1);
    // 16 · 4,500 = 72,000 is beyond 65,504: with infinity ReLU would give 0, but 848 is right
    const refusal: { [field: string]: unknown } = {
      code: "UnsupportedError",
      message: expect.stringMatching(/y of there holds NaN in float16.*leave float16 out/),
    };
    await expect(run(4500)).rejects.toMatchObject(refusal);
    await expect(run(-4500)).rejects.toMatchObject(refusal);
    expect(Math.abs((await run(12.5)) - 1996.8)).toBeLessThan(1);
  });

  it.each(ways)("in an input are refused: %s", async (_, options) => {
    const x = input("x", [1, CHANNELS, 4, 4]);
    const of = graph({ name: "sum", inputs: { x }, outputs: { y: summed(x, "first", 1e-3) } });
    await using executable = await webgpu(options).compile(of);
    const run = async (value: number) => (await executable.run(image(value))).y.data[0]!;
    expect(Math.abs((await run(65_504)) / (65.504 * 16) - 1)).toBeLessThan(0.01);
    await expect(run(1e5)).rejects.toMatchObject({ code: "UnsupportedError" });
    expect(await run(Number.POSITIVE_INFINITY)).not.toBe(0); // infinity was the caller's own input
  });

  it.each(ways)("among the weights are refused by compile, by name: %s", async (_, options) => {
    const x = input("x", [1, CHANNELS, 4, 4]);
    const of = graph({ name: "sum", inputs: { x }, outputs: { y: summed(x, "first", 70_000) } });
    await expect(webgpu(options).compile(of)).rejects.toThrow(
      "webgpu: first.weight holds 70000, float16 holds 65,504 at most; leave float16 out",
    );
  });
});
