import type { RawTensors } from "../session.ts";

// What an onnxruntime thread and the thread that owns it say to each other.

/** How a model reaches onnxruntime: by the path of a file that it maps, or as bytes, with or without the weights apart. */
export interface ModelSource {
  readonly model: string | Uint8Array<ArrayBuffer>;
  readonly externalData?: { readonly path: string; readonly data: Uint8Array<ArrayBuffer> };
}

/** Work for the thread, done in the order of the messages. `session` is a number that the sender has chosen. */
export type Job =
  | { readonly kind: "create"; readonly session: number; readonly source: ModelSource }
  | { readonly kind: "run"; readonly session: number; readonly inputs: RawTensors }
  | { readonly kind: "release"; readonly session: number };

export type NumberedJob = Job & { readonly id: number };

export type ToThread =
  | NumberedJob
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
