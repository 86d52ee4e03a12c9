import { signal } from "@preact/signals";
import type { BackendName } from "@residual/pipeline";
import { problem, request } from "../app/state.ts";
import type { Problem } from "../engine/problem.ts";
import type { LoadRequest } from "../engine/session.ts";

export type WeightsKind = "embedded" | "known" | "file";

/** What is chosen in the dialog, and not yet loaded. */
export interface Draft {
  readonly kind: WeightsKind;
  readonly known?: string;
  readonly file?: File;
  readonly model?: string;
  readonly backend: BackendName | "auto";
}

export const draft = signal<Draft | undefined>(undefined);
/** The error that has opened the dialog again: the file does not say its model, or does not fit it. */
export const draftProblem = signal<Problem | undefined>(undefined);

/** Opens the dialog on what is loaded, or on what failed to load. */
export function openDialog(change: Partial<Draft> = {}): void {
  draftProblem.value = problem.value;
  problem.value = undefined;
  draft.value = { ...draftOf(request.value), ...change };
}

export function closeDialog(): void {
  draft.value = undefined;
  draftProblem.value = undefined;
}

export function changeDraft(change: Partial<Draft>): void {
  if (draft.value) draft.value = { ...draft.value, ...change };
}

function draftOf({ weights, model, backend }: LoadRequest): Draft {
  const more = { backend, ...(model !== undefined && { model }) };
  if (typeof weights === "string") return { kind: "known", known: weights, ...more };
  if (weights instanceof File) return { kind: "file", file: weights, ...more };
  return { kind: "embedded", ...more };
}

/** Undefined while the choice is not complete. */
export function requestOf({ kind, known, file, model, backend }: Draft): LoadRequest | undefined {
  if (kind === "embedded") return { backend };
  if (kind === "known") return known === undefined ? undefined : { weights: known, backend };
  return file && { weights: file, backend, ...(model && { model }) };
}
