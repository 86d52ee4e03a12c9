import type { BackendDescription, GraphJson, Progress, RealTensor } from "@residual/core";
import { errorOf as coreErrorOf, type SentError, sentError as sentCoreError } from "@residual/kit/sent-error";
import type { BackendOptions } from "../backends/options.ts";
import { OptionError } from "../option-error.ts";
import type { SentTensors } from "./shared-memory.ts";

// Messages between a process and its child.

/** The child's purpose; the first message. */
interface Setup {
  readonly kind: "setup";
  /** A backend's name, a module's path, or `auto`. */
  readonly backend: string;
  readonly options: Pick<BackendOptions, "threads" | "wasmPaths">;
}

/** The location of a constant's numbers: a tensor in the weights that a name or path stands for. */
export interface WeightsReference {
  readonly weights: string;
  /** Prefix of the weights' names, not included in `tensor`. */
  readonly prefix?: string | undefined;
  readonly tensor: string;
}

/** Jobs for the child. `executable` is a number chosen by the sender. */
export type Job =
  | { readonly kind: "describe" }
  | {
      readonly kind: "compile";
      readonly executable: number;
      readonly graph: GraphJson;
      /** By the names of constants and variables. */
      readonly references: ReadonlyMap<string, WeightsReference>;
      /** A safetensors file with the numbers that have no reference, by the same names. */
      readonly file: string | undefined;
    }
  | {
      readonly kind: "run";
      readonly executable: number;
      readonly inputs: SentTensors;
    }
  | { readonly kind: "read"; readonly executable: number; readonly names: readonly string[] }
  | { readonly kind: "dispose"; readonly executable: number };

/** The reply to each kind of job. */
export interface Answers {
  describe: BackendDescription;
  compile: { readonly name: string; readonly description: BackendDescription; readonly reason: string };
  run: { readonly [name: string]: RealTensor };
  read: { readonly [name: string]: RealTensor };
  dispose: undefined;
}

export type ToChild = Setup | (Job & { readonly id: number }) | { readonly kind: "abort"; readonly id: number };

export type FromChild =
  | { readonly kind: "done"; readonly id: number; readonly answer: Answers[Job["kind"]] }
  | { readonly kind: "failed"; readonly id: number; readonly error: SentError }
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "warning"; readonly message: string };

/** An error in a message, of the pipeline's classes too. */
export function sentError(error: unknown): SentError {
  return error instanceof OptionError ? { kind: "OptionError", message: error.message } : sentCoreError(error);
}

export function errorOf(sent: SentError): Error {
  return sent.kind === "OptionError" ? new OptionError(sent.message) : coreErrorOf(sent);
}
