import type { Call } from "../calls.ts";
import { Engine } from "../engine.ts";
import { giveMemory, takeMemory } from "../memories.ts";
import { nextTurn, Pace, runInSlices } from "../slices.ts";
import type { Job, Port, ToThread } from "./protocol.ts";
import { takePart } from "./team.ts";

interface LoadedProgram {
  readonly engine: Engine;
  readonly isOwner: boolean;
  readonly pace: Pace;
  calls: readonly Call[];
  isCancelled: boolean;
}

/** Does the jobs that arrive at a port. */
export function serve(port: Port): void {
  const programs = new Map<number, LoadedProgram>();
  port.onMessage((message) => void answer(message, port, programs));
}

async function answer(
  { id, program, ...job }: ToThread,
  port: Port,
  programs: Map<number, LoadedProgram>,
): Promise<void> {
  try {
    const numbers = await carryOut(job, program, programs);
    port.post({ id, ...(numbers && { numbers }) }, numbers ? [numbers.buffer] : []);
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    port.post({ id, failure, isRangeError: error instanceof RangeError }, []);
  }
}

/** All jobs but runs are done at once, which keeps their order. */
function carryOut(
  job: Job,
  id: number,
  programs: Map<number, LoadedProgram>,
): void | Float32Array<ArrayBuffer> | Promise<void> {
  if (job.kind === "open") {
    const isOwner = "bytes" in job.memory;
    const memory = "bytes" in job.memory ? takeMemory(job.memory.bytes, false) : job.memory;
    programs.set(id, { engine: new Engine(memory), isOwner, pace: new Pace(), calls: [], isCancelled: false });
    return;
  }
  const program = programs.get(id);
  if (!program) return; // opening may have failed, for example for lack of memory
  const { engine, pace } = program;
  switch (job.kind) {
    case "add":
      return engine.add(job.modules);
    case "calls":
      program.calls = job.calls;
      return;
    case "take part":
      return takePart(engine, program.calls, job, pace);
    case "run":
      return run(program);
    case "cancel":
      program.isCancelled = true;
      return;
    case "reserve":
      return engine.reserve(job.bytes);
    case "write":
      return engine.numbers(job.address, job.numbers.length).set(job.numbers);
    case "read":
      return engine.copyOf(job.address, job.length);
    case "move":
      return engine.move(job.moves);
    case "close":
      programs.delete(id);
      if (program.isOwner) giveMemory(engine.memory, false);
  }
}

/** In slices, between which a cancel can arrive. */
async function run(program: LoadedProgram): Promise<void> {
  program.isCancelled = false;
  await runInSlices(program.engine, program.calls, program.pace, async () => {
    await nextTurn();
    if (program.isCancelled) throw new Error("cancelled");
  });
}
