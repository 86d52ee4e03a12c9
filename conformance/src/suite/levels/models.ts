import { type Answer, select, throwIfAborted } from "@residual/core";
import type { Check } from "../../report/types.ts";
import { type Arithmetic, float32 } from "../arithmetic.ts";
import { heldAgainst, misshapen } from "../check.ts";
import { fixtureModel } from "../fixture-model.ts";
import { type ModelGolden, modelGolden, modelName, sampleIndex, type Values } from "../goldens.ts";
import type { BackendUnderTest, Task } from "../task.ts";
import { indexOf } from "../trial.ts";
import { argMax } from "./arg-max.ts";

/** Whole models against PyTorch's float64 answers: each stage, the logits, and the class of each image. */
export function modelTasks(ids: readonly string[]): readonly Task[] {
  return ids.map((id) => ({
    level: "models",
    name: modelName(id),
    variant: id.slice(id.lastIndexOf("_") + 1).replaceAll("x", "×"),
    run: (held) => checksOf(held, id),
  }));
}

async function* checksOf(held: BackendUnderTest, id: string): AsyncGenerator<Check> {
  const { backend, arithmetic, goldens, work } = held;
  const golden = await modelGolden(id, goldens);
  const stages = stagesOf(golden);
  const { graph, inputs } = fixtureModel(modelName(id), golden.input.shape, golden.salt);
  await using executable = await backend.compile(select(graph, stages), work);
  const answers = await executable.run(inputs, work);
  throwIfAborted(work.signal);
  for (const stage of stages) yield stageCheck(stage, answers[stage]!, golden, toleranceFor(arithmetic));
  if (golden.top5) yield classCheck(answers.logits!, golden.top5.indices);
}

/** Every recorded stage, with `logits`, `probabilities` or `output`. */
export function stagesOf(golden: ModelGolden): readonly string[] {
  const whole = (["logits", "probabilities", "output"] as const).filter((name) => golden[name]);
  return [...Object.keys(golden.activations ?? {}), ...whole];
}

/**
 * Ten times the error of torch's own float32 run of the case, as the goldens' README states. A bound by γ is too wide
 * to be of use after a hundred layers. Orders of summation differ by a small factor (docs/tolerances.md, Whole models).
 */
const TOLERANCE = 10;

/**
 * To first order, all errors grow with the unit roundoff. So the tolerance grows by the same factor if values are
 * stored in less than float32.
 */
function toleranceFor({ stored }: Arithmetic): number {
  return TOLERANCE * Math.max(1, stored / float32.unit);
}

function stageCheck(stage: string, answer: Answer, golden: ModelGolden, tolerance: number): Check {
  const { shape, values, scale } = expectedOf(golden, stage);
  if (answer.shape.join() !== shape.join()) return misshapen({ name: stage }, answer.shape, shape);
  const measured = tolerance * golden.fp32[stage]!.relToMax * scale;
  const moved = stage === "probabilities" ? movedByLogits(golden, tolerance) : 0;
  const bound = Float64Array.from(values, (value) => measured + moved * Math.abs(value));
  const samples = golden.activations?.[stage]?.samples.length ?? Infinity;
  const indexAt = (at: number): number[] => {
    if (at >= samples) return [];
    return indexOf(samples === Infinity ? at : sampleIndex(at, answer.data.length), shape);
  };
  const check = heldAgainst(
    { name: stage },
    { found: foundOf(answer, golden, stage), expected: values, bound, indexAt },
  );
  return check.worst?.index.length === 0 ? { ...check, what: "its mean, least or largest" } : check;
}

/**
 * The largest relative change of a probability whose logits are each off by at most δ, their own tolerance: e^(2δ) − 1,
 * since e^x and the sum over all classes change by a factor of at most e^δ each.
 */
function movedByLogits(golden: ModelGolden, tolerance: number): number {
  if (!golden.logits) return 0;
  return Math.expm1(2 * tolerance * golden.fp32.logits!.relToMax * expectedOf(golden, "logits").scale);
}

export interface Expected {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** The largest magnitude: the unit of relative errors. */
  readonly scale: number;
}

/**
 * The recorded facts of a stage: samples, then statistics over all elements. A large error anywhere changes the
 * statistics.
 */
export function expectedOf(golden: ModelGolden, stage: string): Expected {
  const recorded = golden.activations?.[stage];
  if (!recorded) return wholeOf(golden[stage as "logits"]!);
  const { shape, samples, mean, min, max } = recorded;
  return { shape, values: [...samples, mean, min, max], scale: Math.max(Math.abs(min), Math.abs(max)) };
}

function wholeOf({ shape, values }: Values): Expected {
  return { shape, values, scale: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
}

/** The same facts of an answer. */
export function foundOf({ data }: Answer, golden: ModelGolden, stage: string): ArrayLike<number> {
  const samples = golden.activations?.[stage]?.samples;
  if (!samples) return data;
  let [sum, least, largest] = [0, Infinity, -Infinity];
  for (let i = 0; i < data.length; i++) {
    sum += data[i]!;
    least = Math.min(least, data[i]!);
    largest = Math.max(largest, data[i]!);
  }
  return [...samples.map((_, k) => data[sampleIndex(k, data.length)]!), sum / data.length, least, largest];
}

function classCheck(logits: Answer, indices: readonly (readonly number[])[]): Check {
  const expected = indices.map(([first]) => first!);
  const found = argMax(logits);
  const wrong = found.flatMap((each, row) =>
    each === expected[row] ? [] : [`image ${row} is ${each}, not ${expected[row]}`],
  );
  return { name: "arg max", passed: wrong.length === 0, ...(wrong.length === 0 ? {} : { message: wrong.join("; ") }) };
}
