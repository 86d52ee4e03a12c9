import {
  type Backend,
  type BackendDescription,
  concrete,
  type Executable,
  type Graph,
  ResidualError,
  sizeOf,
  tensorOf,
  type WorkOptions,
} from "@residual/core";
import type { Ranked } from "./rank.ts";

/** A backend that has not failed so far. */
export interface Candidate extends Ranked {
  readonly backend: Backend;
  readonly description: BackendDescription;
}

/** A candidate that has compiled the network. */
export interface Compiled<Out extends string> extends Candidate {
  readonly executable: Executable<"image", Out>;
}

/**
 * Duration of a timing, in milliseconds. Engines compile kernels in the first runs, and WebAssembly engines optimize in
 * later runs.
 */
const ENOUGH = 250;
const [AT_LEAST, AT_MOST] = [2, 100];

/**
 * Times a network on two backends, with one image. Returns the faster one, with the times as `because`; the other
 * executable is disposed. Undefined if the second backend does not compile the network; the first is then unchanged.
 */
export async function quicker<Out extends string>(
  first: Compiled<Out>,
  second: Candidate,
  graph: Graph<"image", Out>,
  work: WorkOptions,
): Promise<Compiled<Out> | undefined> {
  const rival = await compiled(second, graph, work);
  if (!rival) return undefined;
  try {
    const mine = { entry: first, time: await timeOf(first.executable, graph, work) };
    const other = { entry: rival, time: await timeOf(rival.executable, graph, work) };
    const [winner, loser] = mine.time <= other.time ? [mine, other] : [other, mine];
    await loser.entry.executable.dispose();
    const because = `measured: ${winner.time.toFixed(1)} ms for an image, ${loser.entry.name} ${loser.time.toFixed(1)} ms`;
    return { ...winner.entry, because };
  } catch (error) {
    await rival.executable.dispose();
    throw error;
  }
}

async function compiled<Out extends string>(
  candidate: Candidate,
  graph: Graph<"image", Out>,
  { signal }: WorkOptions,
): Promise<Compiled<Out> | undefined> {
  try {
    return { ...candidate, executable: await candidate.backend.compile(graph, { signal }) };
  } catch (error) {
    if (!(error instanceof ResidualError) || signal?.aborted) throw error;
    return undefined;
  }
}

/** The fastest run, in milliseconds. */
async function timeOf(
  executable: Executable<"image">,
  graph: Graph<"image">,
  { signal }: WorkOptions,
): Promise<number> {
  const shape = concrete(graph.inputs.image.shape, 1);
  const image = tensorOf("float32", shape, new Float32Array(sizeOf(shape)));
  const end = performance.now() + ENOUGH;
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < AT_LEAST || (run < AT_MOST && performance.now() < end); run++) {
    const start = performance.now();
    await executable.run({ image }, { signal });
    best = Math.min(best, performance.now() - start);
  }
  return best;
}
