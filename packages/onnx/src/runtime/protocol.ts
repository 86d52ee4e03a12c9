import type { RawTensors } from "../session.ts";
import type { ModelSource, SessionOptions } from "./inference.ts";

// What an onnxruntime thread and the thread that owns it say to each other.

/** Work for the thread, done in the order of the messages. `session` is a number that the sender has chosen. */
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
  /** Replaces a session's variables by what its last run computed for them. */
  | { readonly kind: "commit"; readonly session: number }
  /** Forgets a job that has not begun. */
  | { readonly kind: "cancel"; readonly id: number };

/** Each job gets one reply, under its number. */
export type FromThread =
  /** `spent`: the inputs' memory, to be used again. */
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: RawTensors;
      readonly spent: readonly ArrayBuffer[];
    }
  | { readonly kind: "cancelled"; readonly id: number }
  /** `stage`: whether onnxruntime did not load, or refused the job. */
  | { readonly kind: "failed"; readonly id: number; readonly stage: "load" | "job"; readonly message: string };
