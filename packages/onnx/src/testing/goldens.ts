import { readFileSync } from "node:fs";

/** PyTorch's recorded answers; their README says how they were made. */
const folder = `${import.meta.dirname}/../../../../conformance/golden`;

export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(`${folder}/${path}`, "utf8")) as T;
}

/** What is recorded of a tensor of a training run. */
export interface Recorded {
  /** The root of the sum of squares; of parameters and gradients. */
  readonly l2?: number;
  /** The values at the indices (k · 1000003) mod length. */
  readonly samples: readonly number[];
}

/** The difference of PyTorch's own float32 run from float64, relative to the largest value of a tensor. */
interface OwnError {
  readonly worst: number;
}

/** A run of three steps. */
export interface TrainingGolden {
  readonly model: { readonly name: string };
  readonly salt: string;
  readonly input: { readonly name: string; readonly shape: readonly [number, number, number, number] };
  readonly labels: readonly number[];
  readonly sgd: { readonly lr: number; readonly momentum: number; readonly weight_decay: number };
  /** Of each step, and after the last. */
  readonly losses: readonly number[];
  readonly grads: { readonly [parameter: string]: Recorded };
  readonly steps: readonly {
    readonly params: { readonly [parameter: string]: Recorded };
    readonly buffers: { readonly [statistic: string]: Recorded };
  }[];
  readonly fp32: {
    readonly lossAbs: readonly number[];
    readonly gradMaxOverMax: OwnError;
    readonly paramMaxOverMax: readonly OwnError[];
    readonly bufferMaxOverMax: readonly OwnError[];
  };
}
