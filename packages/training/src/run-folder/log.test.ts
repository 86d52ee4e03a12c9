import { appendFileSync, readFileSync } from "node:fs";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { expect, it } from "vitest";
import type { TrainingEvent } from "../fit/events.ts";
import type { EpochRecord } from "../fit/state.ts";
import { headEpochsIn, TrainingLog } from "./log.ts";

const folder = temporaryFolder();
const record = (epoch: number): EpochRecord => {
  return { epoch, learningRate: 0.1, trainLoss: 2, trainAccuracy: 0.5, loss: 1, accuracy: 0.6, top5: 1 };
};
const start = (done: number, history: readonly EpochRecord[] = []): TrainingEvent => {
  return { kind: "start", done, steps: 6, stepsPerEpoch: 2, batch: 4, pictures: 8, history };
};
const step = (number: number): TrainingEvent => ({
  kind: "step",
  step: number,
  steps: 6,
  epoch: Math.ceil(number / 2),
  learningRate: 0.1,
  loss: 1,
  accuracy: 0.5,
  picturesPerSecond: 100 * Math.random(),
  secondsLeft: 1,
});
const epoch = (number: number): TrainingEvent => {
  return { kind: "epoch", isBest: true, judged: [], ...record(number) };
};
const part = (name: "features" | "head" | "network"): TrainingEvent => ({ kind: "part", name });

function logOf(name: string, events: readonly TrainingEvent[]): string {
  const path = folder.in(name);
  const log = new TrainingLog(path);
  for (const event of events) log.add(event);
  return readFileSync(path, "utf8");
}

const rest = [step(5), step(6), epoch(3)];
const whole = [start(0), step(1), step(2), epoch(1), step(3), step(4), epoch(2), ...rest];

it("has a line for each step and epoch, without times", () => {
  const lines = logOf("whole.jsonl", whole).trimEnd().split("\n");
  expect(lines).toHaveLength(9);
  expect(JSON.parse(lines[0]!)).toEqual({
    kind: "step",
    part: "network",
    step: 1,
    epoch: 1,
    learningRate: 0.1,
    loss: 1,
    accuracy: 0.5,
  });
});

it("is the same after an interruption: lines after the checkpoint go, a lacking epoch comes, half a line goes", () => {
  const text = logOf("resumed.jsonl", whole.slice(0, 6)); // killed after the checkpoint of epoch 2, before its line
  appendFileSync(folder.in("resumed.jsonl"), '{"kind":"step","pa');
  expect(text.trimEnd().split("\n")).toHaveLength(5);
  expect(logOf("resumed.jsonl", [start(4, [record(1), record(2)]), ...rest])).toBe(logOf("whole.jsonl", whole));
  const again = [start(3, [record(1)]), step(4), epoch(2), ...rest];
  expect(logOf("resumed.jsonl", again)).toBe(logOf("whole.jsonl", whole));
});

it("keeps the last layer's lines while the network goes on, and drops them where features begin", () => {
  const head = [part("features"), part("head"), start(0), step(1), step(2), epoch(1)];
  const text = logOf("tuned.jsonl", [...head, part("network"), ...whole]);
  expect(headEpochsIn(folder.in("tuned.jsonl"))).toHaveLength(1);
  expect(logOf("tuned.jsonl", [start(4, [record(1), record(2)]), ...rest])).toBe(text);
  expect(logOf("tuned.jsonl", [...head, part("network"), ...whole])).toBe(text);
});
