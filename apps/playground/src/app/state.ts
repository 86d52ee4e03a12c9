import { computed, signal } from "@preact/signals";
import type { Progress } from "@residual/core";
import { LastingEngine } from "../engine/lasting-engine.ts";
import { type Problem, problemOf } from "../engine/problem.ts";
import type { Loaded, LoadRequest } from "../engine/session.ts";

/** What the whole page shares: the picture, the network, and the work that is being done. */

const rooms = ["classify", "compare", "inside", "train"] as const;
export type Room = (typeof rooms)[number];

const roomOf = (hash: string): Room => rooms.find((room) => hash === `#${room}`) ?? "classify";
export const room = signal<Room>(roomOf(location.hash));
addEventListener("hashchange", () => {
  room.value = roomOf(location.hash);
});

export interface GivenPicture {
  readonly name: string;
  readonly file: Blob;
}
export const picture = signal<GivenPicture | undefined>(undefined);

/** Asks Classify to start its camera. */
export const isCameraAsked = signal(false);

export const problem = signal<Problem | undefined>(undefined);
/** What a person should know, and can do nothing about: a device that was lost and is there again. */
export const note = signal<string | undefined>(undefined);

interface Task {
  readonly title: string;
  readonly progress?: Progress;
  cancel(): void;
}
const tasks = signal<readonly Task[]>([]);
/** The work that a person waits for: what began last. It is shown with its progress and a button that cancels it. */
export const task = computed(() => tasks.value.at(-1));

export const network = signal<Loaded | undefined>(undefined);
/** What was asked for, so that other workers can load the same network. */
export const request = signal<LoadRequest>({ backend: "auto" });

export const engine = new LastingEngine((text) => {
  note.value = text;
});

/** Shows an error, unless it is an AbortError: the person has cancelled. */
export function fail(error: unknown): void {
  const found = problemOf(error);
  if (found.code !== "AbortError") problem.value = found;
}

interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** Runs cancellable work, shows it, and shows its error. Undefined where it failed or was cancelled. */
export async function during<T>(title: string, work: (options: Work) => Promise<T>): Promise<T | undefined> {
  const controller = new AbortController();
  let shown: Task = { title, cancel: () => controller.abort() };
  tasks.value = [...tasks.value, shown];
  const replace = (next: readonly Task[]) => {
    tasks.value = tasks.value.flatMap((each) => (each === shown ? next : each));
  };
  problem.value = undefined;
  try {
    return await work({
      signal: controller.signal,
      onProgress(progress) {
        const next = { ...shown, progress };
        replace([next]);
        shown = next;
      },
    });
  } catch (error) {
    fail(error);
    return undefined;
  } finally {
    replace([]);
  }
}

let cancelLoad: (() => void) | undefined;

/** Loads a network, in place of one that is still being loaded. False where that failed; the former one then stays. */
export async function loadNetwork(next: LoadRequest): Promise<boolean> {
  cancelLoad?.();
  const controller = new AbortController();
  cancelLoad = () => controller.abort();
  const loaded = await during("Loading the network", ({ signal, onProgress }) => {
    const either = AbortSignal.any([signal, controller.signal]);
    return engine.call("load", { ...next, offline: !navigator.onLine }, { signal: either, onProgress });
  });
  if (!loaded) return false;
  request.value = next;
  network.value = loaded;
  return true;
}
