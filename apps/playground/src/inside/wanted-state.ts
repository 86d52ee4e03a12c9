import { signal } from "@preact/signals";
import { during, network, request } from "../app/state.ts";
import { type Learner, startLearner } from "../engine/engine.ts";
import type { LoadRequest } from "../engine/session.ts";
import type { Climbed } from "../learning/ascent-methods.ts";
import { STEPS } from "./ascent.ts";

/** What a channel wants to see, as far as it is drawn. */
export interface Wanted extends Pick<Climbed, "side" | "shown" | "rgba"> {
  readonly done: number;
  /** The largest number of the map, from the first picture to this one. */
  readonly peaks: readonly number[];
}

/** The steps of one call: the picture is drawn after each. */
const PER_CALL = 4;

/** By layer and channel, for the network in use. */
export const wanted = signal<ReadonlyMap<string, Wanted>>(new Map());
/** The channel that is being drawn. */
export const drawn = signal<string | undefined>(undefined);

export const keyOf = (layer: string, channel: number): string => `${layer} ${channel}`;

let learner: { readonly worker: Learner; readonly of: LoadRequest } | undefined;
let stop = new AbortController();

/** Ends the worker, and forgets its pictures. */
export function forgetWanted(): void {
  stop.abort();
  learner?.worker.end();
  learner = undefined;
  wanted.value = new Map();
}

/** The worker for the network in use. */
function workerFor(of: LoadRequest): Learner {
  if (learner && learner.of !== of) forgetWanted();
  learner ??= { worker: startLearner(), of };
  return learner.worker;
}

/** Draws what a channel wants to see, from grey noise. `title` names the channel. The drawing before this one ends. */
export async function drawWanted(layer: string, channel: number, title: string): Promise<void> {
  stop.abort();
  stop = new AbortController();
  const other = stop.signal;
  const [using, of] = [network.value, request.value];
  if (!using) return;
  const key = keyOf(layer, channel);
  const salt = `${wanted.value.has(key) ? performance.now() : "v1"}`;
  drawn.value = key;
  await during(`Drawing what ${title} wants to see`, async (work) => {
    const options = { signal: AbortSignal.any([work.signal, other]) };
    const worker = workerFor(of);
    const backend = using.backend.name;
    const open = { network: { weights: of.weights, model: of.model }, backend, layer };
    await worker.call("openLayer", open, { ...options, onProgress: work.onProgress });
    let from: Climbed["planes"] | string = salt;
    let peaks: readonly number[] = [];
    for (let done = 0; done <= STEPS; done += PER_CALL) {
      const steps = done === 0 ? 0 : PER_CALL;
      const transfer = typeof from === "string" ? [] : [from.buffer];
      const found: Climbed = await worker.call(
        "climb",
        { channel, from, done: done - steps, steps },
        { ...options, transfer },
      );
      const { side, shown, rgba } = found;
      from = found.planes;
      peaks = [...peaks, found.peak];
      wanted.value = new Map(wanted.value).set(key, { side, shown, rgba, done, peaks });
      work.onProgress({ stage: `step ${done} of ${STEPS}`, done, total: STEPS });
    }
  });
  if (!other.aborted) drawn.value = undefined;
}
