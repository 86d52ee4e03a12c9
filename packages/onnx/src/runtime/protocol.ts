import type { RawTensors } from "../session.ts";
import type { ModelSource, SessionOptions } from "./inference.ts";

// Messages between an onnxruntime thread and the thread that owns it.

/** Jobs for the thread, done in the order of the messages. `session` is a number chosen by the sender. */
export type Job =
  | {
      readonly kind: "create";
      readonly session: number;
      readonly source: ModelSource;
      readonly options: SessionOptions;
    }
  | { readonly kind: "run"; readonly session: number; readonly inputs: RawTensors }
  | { readonly kind: "read"; readonly session: number; readonly names: readonly string[] }
  | { readonly kind: "release"; readonly session: number };

export type NumberedJob = Job & { readonly id: number };

export type ToThread =
  | NumberedJob
  /** Replaces a session's variables by the updates of its last run. */
  | { readonly kind: "commit"; readonly session: number }
  /** Drops a job that has not begun. */
  | { readonly kind: "cancel"; readonly id: number };

/** Each job gets one reply with its number. */
export type FromThread =
  /** `spent`: memory of the inputs, for reuse. */
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: RawTensors;
      readonly spent: readonly ArrayBuffer[];
    }
  | { readonly kind: "cancelled"; readonly id: number }
  /** `stage`: whether loading onnxruntime or the job failed. */
  | { readonly kind: "failed"; readonly id: number; readonly stage: "load" | "job"; readonly message: string };
