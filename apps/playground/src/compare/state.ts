import { computed, signal } from "@preact/signals";
import { during, type GivenPicture, picture, request } from "../app/state.ts";
import type { NetworkChoice } from "../engine/network-choice.ts";
import { type Problem, problemOf } from "../engine/problem.ts";
import { type CallOptions, Remote } from "../engine/rpc.ts";
import type { RightAnswers } from "./answers.ts";
import type { Measured, Verdict } from "./bench.ts";
import { browserMemory } from "./browser-memory.ts";
import type { CompareMethods } from "./compare-worker.ts";
import { broken, type Engine, type EngineName, engines } from "./engines.ts";
import type { FaultName } from "./faults.ts";

interface Work extends CallOptions {
  readonly signal: AbortSignal;
}

/** What has become of one backend. */
export interface Row {
  readonly engine: Engine;
  readonly state: "waiting" | "running" | "done" | "failed" | "cancelled";
  readonly stage?: string;
  readonly measured?: Measured;
  readonly verdict?: Verdict;
  readonly problem?: Problem;
}

/** Those that come with the page: the others are downloads, and are chosen by hand. */
export const chosen = signal<ReadonlySet<EngineName>>(new Set(["wasm", "webgpu"]));
export const runs = signal(20);
export const fault = signal<FaultName>("padding");
export const rows = signal<readonly Row[]>([]);
/** The backend whose shares the drawing shows; the first that differs where none was chosen. */
export const shown = signal<EngineName | undefined>(undefined);
export const right = signal<RightAnswers | undefined>(undefined);
export const isRunning = computed(() => rows.value.some(({ state }) => state === "running" || state === "waiting"));
/** The width of the network's drawing, in pixels. */
export const drawingWidth = signal(900);

export function toggle(name: EngineName): void {
  const next = new Set(chosen.value);
  if (!next.delete(name)) next.add(name);
  chosen.value = next;
}

const chosenEngines = (): readonly Engine[] => [...engines, broken].filter(({ name }) => chosen.value.has(name));

/** Runs the network on each chosen backend, one after another, so that they do not disturb each other. */
export async function compare(): Promise<void> {
  shown.value = undefined;
  rows.value = chosenEngines().map((engine) => ({ engine, state: "waiting" }));
  await during("Comparing", async ({ signal, onProgress }) => {
    const total = rows.value.length + 1;
    const part = (done: number, name: string): Work => ({
      signal,
      onProgress(progress) {
        const share = progress.total > 0 ? Math.min(progress.done / progress.total, 1) : 0;
        onProgress({ stage: `${name}, ${progress.stage}`, done: done + share, total });
      },
    });
    const answers = await rightAnswers(part(0, "what is right"));
    for (const [i, { engine }] of rows.value.entries()) {
      onProgress({ stage: engine.name, done: i + 1, total });
      await measure(engine, answers, part(i + 1, engine.name));
    }
  });
  rows.value = rows.value.map((row) => (isOpen(row) ? { ...row, state: "cancelled" } : row));
}

const isOpen = ({ state }: Row): boolean => state === "waiting" || state === "running";

/** An error of one backend stands in its row, and the others go on. Throws AbortError. */
async function measure(engine: Engine, answers: RightAnswers, work: Work): Promise<void> {
  const { name, backend } = engine;
  const set = (row: Omit<Row, "engine">) => {
    rows.value = rows.value.map((each) => (each.engine === engine ? { engine, ...row } : each));
  };
  set({ state: "running", stage: "loads" });
  const { weights, model } = request.value;
  const planted = name === "broken" ? fault.value : undefined;
  try {
    await inWorker(async (worker) => {
      const asked = { network: { weights, model }, image: answers.image, runs: runs.value, backend, fault: planted };
      const found = await worker.call("measure", asked, work);
      const browserBytes = await browserMemory(work.signal);
      const measured = { ...found, browserBytes };
      set({ state: "running", stage: "is checked", measured });
      const { port1, port2 } = new MessageChannel();
      const sharing = keeper!.call("share", { port: port1 }, { transfer: [port1] });
      const [verdict] = await Promise.all([
        worker.call("hold", { port: port2 }, { ...work, transfer: [port2] }),
        sharing,
      ]);
      set({ state: "done", measured, verdict });
    });
  } catch (error) {
    if (work.signal?.aborted) throw error;
    set({ state: "failed", problem: problemOf(error) });
  }
}

interface Asked {
  readonly network: NetworkChoice;
  readonly picture: Blob;
  readonly width: number;
}

/** The worker that keeps the right answers, and what they are of. */
let keeper: Remote<CompareMethods> | undefined;
let lastAsked: Asked | undefined;

/** The right answers of the network and the picture in use; computed again when one of them has changed. */
async function rightAnswers(work: Work): Promise<RightAnswers> {
  const { weights, model } = request.value;
  const { file } = picture.value ?? (await samplePicture());
  const asked = { network: { weights, model }, picture: file, width: drawingWidth.value };
  if (right.value && lastAsked && isSame(asked, lastAsked)) return right.value;
  keeper?.end();
  [keeper, lastAsked, right.value] = [startWorker(), asked, undefined];
  try {
    right.value = await keeper.call("answer", asked, work);
    return right.value;
  } catch (error) {
    keeper.end(); // what was cancelled would be computed to its end
    throw error;
  }
}

function isSame(a: Asked, b: Asked): boolean {
  const { network, picture, width } = a;
  const isNetwork = network.weights === b.network.weights && network.model === b.network.model;
  return isNetwork && picture === b.picture && width === b.width;
}

async function samplePicture(): Promise<GivenPicture> {
  const answer = await fetch("./photos/chelsea.png");
  picture.value = { name: "chelsea.png", file: await answer.blob() };
  return picture.value;
}

/** A worker for one task. It ends with the task, and so frees all that a backend holds. */
export async function inWorker<T>(task: (worker: Remote<CompareMethods>) => Promise<T>): Promise<T> {
  const worker = startWorker();
  try {
    return await task(worker);
  } finally {
    worker.end();
  }
}

const startWorker = () =>
  new Remote<CompareMethods>(
    new Worker(new URL("./compare-worker.ts", import.meta.url), { type: "module", name: "compare" }),
  );
