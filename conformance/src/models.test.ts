import { createHash } from "node:crypto";
import {
  type Answer,
  bind,
  fixtureInput,
  fixtureWeights,
  type Graph,
  type ModelName,
  parametersOf,
  type ResNetSpec,
  resnet,
  select,
  summarize,
  type Tensor,
  variants,
} from "@residual/core";
import { describe, expect, it } from "vitest";
import { backends } from "./backends.ts";
import { expectWithin, largest, relativeError, sumOf } from "./compare.ts";
import { type Activation, type ModelGolden, modelGoldens, modelName, sampleIndex, type Values } from "./goldens.ts";

/** The reference does some 1e9 multiply-adds a second; `pnpm test:all` runs it on every case. */
const REFERENCE_MACS = process.env.RESIDUAL_GOLDENS === "all" ? Number.POSITIVE_INFINITY : 3e8;

/** Of the largest value: see ops.test.ts for the reference; ten times what torch's own float32 run was off by. */
const boundOf = (backend: string, golden: ModelGolden, stage: string): number =>
  backend === "reference" ? 1e-10 : 10 * golden.fp32[stage]!.relToMax;

const graphOf = (golden: ModelGolden): Graph<"image"> =>
  resnet(variants[modelName(golden.id) as ModelName] as ResNetSpec, { input: golden.input.shape });

/** Every stage that is recorded, with `logits`, `probabilities` or `output`. */
function stagesOf(golden: ModelGolden): readonly string[] {
  const whole = (["logits", "probabilities", "output"] as const).filter((name) => golden[name]);
  return [...Object.keys(golden.activations ?? {}), ...whole];
}

describe.each(modelGoldens().map((golden) => [golden.id, golden] as const))("%s", (_, golden) => {
  const model = graphOf(golden);
  const macs = summarize(model).macs;
  const running = Object.entries(backends).filter(([name]) => name !== "reference" || macs <= REFERENCE_MACS);

  it(`answers as PyTorch does on ${running.map(([name]) => name).join(" and ")}`, { timeout: 600_000 }, async () => {
    const weights = fixtureWeights(model, golden.salt);
    const names = parametersOf(model).map(({ name }) => name);
    expect(sha256(names.map((name) => weights.tensors.get(name) as Tensor<"float32">))).toBe(golden.weightsSha256);
    const image = fixtureInput(golden.salt, golden.input.shape);
    expect(sha256([image])).toBe(golden.input.sha256);

    const graph = select(bind(model, weights), stagesOf(golden));
    for (const [name, backend] of running) {
      await using executable = await backend.compile(graph);
      check(name, golden, await executable.run({ image }));
    }
  });
});

/** In hex, of tensors' float32 bytes (little-endian), one after the other. */
function sha256(tensors: readonly Tensor<"float32">[]): string {
  const hash = createHash("sha256");
  for (const { data } of tensors) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest("hex");
}

function check(backend: string, golden: ModelGolden, answers: { readonly [stage: string]: Answer }): void {
  for (const stage of stagesOf(golden)) {
    const found = answers[stage]!;
    const recorded = golden.activations?.[stage];
    const error = recorded ? activationError(found, recorded) : wholeError(found, golden[stage as "logits"]!);
    expectWithin(`${backend}, ${stage}`, error, boundOf(backend, golden, stage));
  }
  const rows = golden.top5?.indices.map(([first]) => first);
  if (rows) expect(argMax(answers.logits!)).toEqual(rows);
}

function wholeError({ shape, data }: Answer, { shape: expected, values }: Values): number {
  expect(shape).toEqual(expected);
  return relativeError(data, values, largest(values));
}

function activationError({ shape, data }: Answer, { shape: expected, samples, mean, min, max }: Activation): number {
  expect(shape).toEqual(expected);
  const scale = Math.max(Math.abs(min), Math.abs(max));
  const found = samples.map((_, k) => data[sampleIndex(k, data.length)]!);
  const statistics = [
    sumOf(data) / data.length,
    -largest(Float64Array.from(data, (value) => Math.min(value, 0))),
    largest(data),
  ];
  const recorded = [mean, Math.min(min, -Number.MIN_VALUE), scale];
  return Math.max(relativeError(found, samples, scale), relativeError(statistics, recorded, scale));
}

function argMax({ shape: [rows, classes], data }: Answer): number[] {
  return Array.from({ length: rows! }, (_, row) => {
    const logits = Array.from(data.subarray(row * classes!, (row + 1) * classes!));
    return logits.indexOf(Math.max(...logits));
  });
}
