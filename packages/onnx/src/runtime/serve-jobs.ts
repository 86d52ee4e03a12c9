import type { RawTensors } from "../session.ts";
import { type OnnxRuntime, StatefulSession } from "./inference.ts";
import type { FromThread, NumberedJob, ToThread } from "./protocol.ts";

/** The functions that differ between Node and browsers. */
export interface ThreadHost {
  reply(message: FromThread, transfer: readonly ArrayBuffer[]): void;
  /** Lets pending messages be delivered. */
  nextTurn(): Promise<void>;
  /** Runs a call into onnxruntime. */
  enter<T>(work: () => Promise<T>): Promise<T>;
  /** Whether a result buffer of onnxruntime may be transferred. */
  isTransferable(buffer: ArrayBuffer): boolean;
}

/** The worker's side: receives messages, and does the jobs one after the other once onnxruntime is loaded. */
export function serveJobs(loading: Promise<OnnxRuntime>, host: ThreadHost): (message: ToThread) => void {
  const sessions = new Map<number, StatefulSession>();
  const waiting: NumberedJob[] = [];
  let isWorking = false;
  loading.catch(() => {}); // the first job reports it

  function cancel(id: number): void {
    const index = waiting.findIndex((job) => job.id === id);
    if (index < 0) return;
    waiting.splice(index, 1);
    host.reply({ kind: "cancelled", id }, []);
  }

  async function work(): Promise<void> {
    isWorking = true;
    while (waiting.length > 0) {
      await host.nextTurn(); // so that a job cancelled during the last one is dropped
      const job = waiting.shift();
      if (job) await perform(job);
    }
    isWorking = false;
  }

  async function perform(job: NumberedJob): Promise<void> {
    const { id } = job;
    let stage: "load" | "job" = "load";
    try {
      if (job.kind !== "release") await loading;
      stage = "job";
      const outputs = await host.enter(() => carryOut(job));
      const spent = job.kind === "run" ? buffersOf(job.inputs) : [];
      host.reply({ kind: "done", id, outputs, spent }, [...buffersOf(outputs), ...spent]);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      host.reply({ kind: "failed", id, stage, message }, []);
    }
  }

  async function carryOut(job: NumberedJob): Promise<RawTensors> {
    switch (job.kind) {
      case "create":
        sessions.set(job.session, await StatefulSession.create(await loading, job.source, job.options));
        return {};
      case "run":
        return toBeTransferred(await sessions.get(job.session)!.run(job.inputs));
      case "read":
        return sessions.get(job.session)!.read(job.names);
      case "release": {
        const session = sessions.get(job.session);
        sessions.delete(job.session);
        await session?.release(); // undefined if creating it failed
        return {};
      }
    }
  }

  /** Results in transferable memory; the others are copied. */
  function toBeTransferred(answers: RawTensors): RawTensors {
    return Object.fromEntries(
      Object.entries(answers).map(([name, { shape, data }]) => {
        const isAlone = data.byteLength === data.buffer.byteLength && host.isTransferable(data.buffer);
        return [name, { shape, data: isAlone ? data : data.slice() }];
      }),
    );
  }

  return (message) => {
    if (message.kind === "cancel") cancel(message.id);
    else if (message.kind === "commit") sessions.get(message.session)?.commit();
    else waiting.push(message);
    if (!isWorking) void work();
  };
}

function buffersOf(tensors: RawTensors): ArrayBuffer[] {
  return Object.values(tensors).map(({ data }) => data.buffer);
}
