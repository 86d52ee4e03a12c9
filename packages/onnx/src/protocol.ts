import type { Gate } from "./gate.ts";

// What the main thread and the worker say to each other. Each numbered message gets one reply, under its number.

/** How a model reaches onnxruntime: by the path of a file that it maps, or as bytes, with or without the weights apart. */
export interface ModelSource {
  readonly model: string | Uint8Array<ArrayBuffer>;
  readonly externalData?: { readonly path: string; readonly data: Uint8Array<ArrayBuffer> };
}

export interface SessionSettings {
  readonly threads: number;
  readonly spin: boolean;
}

/** A float32 tensor on its way. */
interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export type NamedNumbers = { readonly [name: string]: Numbers };

export interface WorkerSetup {
  /** URL of the runtime's entry point. */
  readonly runtime: string;
  readonly settings: SessionSettings;
  readonly gate: Gate;
  /** The bytes of a model to be loaded, and dropped, before any other. */
  readonly warmUp: Uint8Array<ArrayBuffer>;
}

export type Job =
  | { readonly kind: "create"; readonly id: number; readonly source: ModelSource }
  | { readonly kind: "run"; readonly id: number; readonly inputs: NamedNumbers };

export type ToWorker =
  | Job
  /** Forgets a job that has not begun. */
  | { readonly kind: "cancel"; readonly id: number }
  /** Does what is queued, releases the session, and ends the thread. */
  | { readonly kind: "release" };

export type FromWorker =
  /** `spent`: the inputs' memory, to be used again. */
  | {
      readonly kind: "done";
      readonly id: number;
      readonly outputs: NamedNumbers;
      readonly spent: readonly ArrayBuffer[];
    }
  | { readonly kind: "cancelled"; readonly id: number }
  /** `stage`: whether the runtime did not load, or refused the job. */
  | { readonly kind: "failed"; readonly id: number; readonly stage: "load" | "job"; readonly message: string };
