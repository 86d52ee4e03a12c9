import { type Signal, type Tensor, tensor } from "@residual/core";
import type { BatchMaker } from "../batches/batch-maker.ts";
import { type BatchPlan, batches, type IndexedBatch } from "../batches/batches.ts";
import type { BatchRecipe } from "../batches/make-batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Order } from "../data/order.ts";
import type { Schedule } from "../schedules/schedules.ts";

/** A place in a run: before batch `batch` of epoch `epoch`, both counted from 0. */
export interface Position {
  readonly epoch: number;
  readonly batch: number;
}

export interface CourseOptions {
  readonly dataset: Dataset;
  readonly order: Order;
  readonly size: number;
  readonly recipe: BatchRecipe;
  readonly seed: number;
  readonly epochs: number;
  readonly schedule: Schedule;
  /** Batches whose gradients make one step; undefined if the step graph has no input for it. */
  readonly accumulate: number | undefined;
}

/** The inputs of one run of the step graph. */
export interface StepInputs {
  readonly [name: string]: Tensor<"float32">;
}

/** The batches of a run and their learning rates: a pure function of its options, from any position on. */
export class Course {
  readonly batchesPerEpoch: number;
  readonly #options: CourseOptions;

  constructor(options: CourseOptions) {
    this.#options = options;
    this.batchesPerEpoch = Math.floor(options.dataset.examples.length / options.size);
  }

  get batches(): number {
    return this.#options.epochs * this.batchesPerEpoch;
  }

  /** Batches before a position. */
  countTo({ epoch, batch }: Position): number {
    return epoch * this.batchesPerEpoch + batch;
  }

  /** The batches of an epoch from a position on. */
  batchesFrom({ epoch, batch }: Position, maker: BatchMaker, signal?: Signal): AsyncGenerator<IndexedBatch> {
    const { dataset, order, size, recipe, seed } = this.#options;
    const draw = { seed, epoch };
    const plan: BatchPlan = { dataset, order: order(epoch), size, recipe, first: batch, isLastPartial: false, draw };
    return batches(plan, maker, { signal });
  }

  /** The learning rate at a position. With accumulation it changes only once its batches are complete. */
  rateAt(position: Position): number {
    const { schedule, accumulate = 1 } = this.#options;
    return schedule(Math.floor(this.countTo(position) / accumulate));
  }

  inputsOf({ image, target }: IndexedBatch, position: Position): StepInputs {
    const { accumulate } = this.#options;
    const isLast = (this.countTo(position) + 1) % (accumulate ?? 1) === 0;
    const learningRate = tensor([], [this.rateAt(position)]);
    return { image, target, learningRate, ...(accumulate !== undefined && { apply: tensor([], [isLast ? 1 : 0]) }) };
  }
}
