import { computed, signal } from "@preact/signals";
import type { Progress } from "@residual/core";
import { type Engine, startEngine } from "../engine/engine.ts";
import { type Problem, problemOf } from "../engine/problem.ts";
import type { Loaded, LoadRequest } from "../engine/session.ts";

/** What the whole page shares: the picture, the network, and the one thing that is being done. */

export const rooms = ["classify", "compare", "inside"] as const;
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

export const problem = signal<Problem | undefined>(undefined);

export interface Task {
  readonly title: string;
  readonly progress?: Progress;
  cancel(): void;
}
/** The work that a person waits for; shown with its progress and a button that cancels it. */
export const task = signal<Task | undefined>(undefined);

export const network = signal<Loaded | undefined>(undefined);
/** What was asked for, so that other workers can load the same network. */
export const request = signal<LoadRequest>({ backend: "auto" });
export const isReady = computed(() => network.value !== undefined);

export const engine: Engine = startEngine();

/** Shows an error; an AbortError, which somebody asked for, is not shown. */
export function fail(error: unknown): void {
  const { code, message } = problemOf(error);
  if (code !== "AbortError") problem.value = { code, message };
}

/** Runs cancellable work, shows it, and shows its error. Undefined where it failed or was cancelled. */
export async function during<T>(
  title: string,
  work: (options: { readonly signal: AbortSignal; readonly onProgress: (progress: Progress) => void }) => Promise<T>,
): Promise<T | undefined> {
  const controller = new AbortController();
  const cancel = () => controller.abort();
  task.value = { title, cancel };
  problem.value = undefined;
  try {
    return await work({
      signal: controller.signal,
      onProgress: (progress) => {
        task.value = { title, progress, cancel };
      },
    });
  } catch (error) {
    fail(error);
    return undefined;
  } finally {
    task.value = undefined;
  }
}

export async function loadNetwork(next: LoadRequest): Promise<void> {
  const loaded = await during("Loading the network", (work) => engine.call("load", next, work));
  if (!loaded) return;
  request.value = next;
  network.value = loaded;
}
