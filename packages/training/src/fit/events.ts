import type { Judged } from "../metrics/judged.ts";
import type { EpochRecord } from "./state.ts";

/** What a live view of a run shows. */
export type TrainingEvent =
  | {
      readonly kind: "start";
      /** Steps that an earlier run has done. */
      readonly done: number;
      readonly steps: number;
      readonly stepsPerEpoch: number;
      /** Pictures of a step. */
      readonly batch: number;
      /** The held-out pictures are not among them. */
      readonly pictures: number;
      /** The epochs that earlier runs have ended. */
      readonly history: readonly EpochRecord[];
    }
  | {
      readonly kind: "step";
      /** From 1. */
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
      readonly learningRate: number;
      /** Of this batch. */
      readonly loss: number;
      /** Of the epoch so far, on augmented pictures. */
      readonly accuracy: number;
      readonly picturesPerSecond: number;
      readonly secondsLeft: number;
    }
  | ({
      readonly kind: "epoch";
      readonly isBest: boolean;
      /** Each held-out picture. */
      readonly judged: readonly Judged[];
    } & EpochRecord)
  | { readonly kind: "checkpoint"; readonly step: number }
  /** A part of fine-tuning begins. */
  | { readonly kind: "part"; readonly name: "features" | "head" | "network" };

/** Times of steps and evaluations, for an estimate of the time left. */
export class Pace {
  #step = 0;
  #steps = 0;
  #evaluation = 0;
  #since = performance.now();

  /** Starts the clock of a step. */
  begin(): void {
    this.#since = performance.now();
  }

  /** Seconds of a step. The last twenty or so count; the first, in which threads and memory begin, only for itself. */
  endStep(): number {
    const seconds = (performance.now() - this.#since) / 1000;
    const share = Math.max(0.05, 1 / Math.max(this.#steps, 1));
    this.#step += share * (seconds - this.#step);
    this.#steps++;
    this.begin(); // the wait for the next batch counts too
    return this.#step;
  }

  endEvaluation(): void {
    this.#evaluation = (performance.now() - this.#since) / 1000;
    this.begin();
  }

  left(steps: number, epochs: number): number {
    return steps * this.#step + epochs * this.#evaluation;
  }
}
