// The program of a child process that runs a backend for its parent: see backend.ts.
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { type Executable, fromJson, isTensor, type Source } from "@residual/core";
import { readWeights, type Weights } from "@residual/weights";
import { Chooser } from "../backends/choose.ts";
import { node } from "../platform/node.ts";
import { type Answers, type FromChild, type Job, sentError, type ToChild } from "./protocol.ts";
import { readTensors } from "./shared-memory.ts";

/** Milliseconds that an orphan has to finish its jobs. */
const GRACE = 2000;

const executables = new Map<number, Executable>();
/** Files written by the parent for this process, in case the parent ends before it removes them. */
const files = new Set<string>();
const open = new Map<number, AbortController>();
let chooser: Chooser | undefined;

const send = (message: FromChild) => process.send?.(message, () => {}); // a missing parent needs no reply

process.on("message", (message: ToChild) => {
  if (message.kind === "setup") {
    const onWarning = (text: string) => send({ kind: "warning", message: text });
    chooser = new Chooser(message.backend, { ...message.options, onWarning }, node);
  } else if (message.kind === "abort") open.get(message.id)?.abort();
  else void answer(message);
});
process.on("SIGINT", () => {}); // Ctrl-C reaches the parent too, which decides
process.on("disconnect", () => void leave());

async function answer({ id, ...job }: Job & { readonly id: number }): Promise<void> {
  const controller = new AbortController();
  open.set(id, controller);
  try {
    send({ kind: "done", id, answer: await carryOut(job, id, controller.signal) });
  } catch (error) {
    send({ kind: "failed", id, error: sentError(error) });
  } finally {
    open.delete(id);
  }
}

async function carryOut(job: Job, id: number, signal: AbortSignal): Promise<Answers[Job["kind"]]> {
  const { kind } = job;
  if (kind === "describe") return (await chooser!.choose(0)).description;
  if (kind === "compile") {
    if (job.file !== undefined) files.add(job.file);
    const graph = fromJson(job.graph, await sourcesOf(job, signal));
    const work = { signal, onProgress: (progress: object) => send({ kind: "progress", id, progress } as FromChild) };
    const { executable, backend, description, reason } = await chooser!.compile(graph, work);
    executables.set(job.executable, executable);
    return { name: backend.name, description, reason };
  }
  const executable = executables.get(job.executable)!;
  if (kind === "run") return executable.run(readTensors(job.inputs), { signal });
  if (kind === "read") return executable.read(job.names, { signal });
  executables.delete(job.executable);
  await executable.dispose();
}

type CompileJob = Extract<Job, { kind: "compile" }>;

async function sourcesOf({ references, file }: CompileJob, signal: AbortSignal): Promise<ReadonlyMap<string, Source>> {
  const sources = new Map<string, Source>();
  const read = new Map<string, Weights>();
  for (const [name, { weights, prefix, tensor }] of references) {
    const key = JSON.stringify([weights, prefix]);
    const found = read.get(key) ?? (await readWeights(weights, { signal, prefix }));
    read.set(key, found);
    addReal(sources, name, found.tensors.get(tensor));
  }
  if (file !== undefined)
    for (const [name, source] of (await readWeights(file, { signal })).tensors) addReal(sources, name, source);
  return sources;
}

/** Constants are real numbers; a file of weights may contain other dtypes. */
function addReal(sources: Map<string, Source>, name: string, source: ReturnType<Weights["tensors"]["get"]>): void {
  if (source && (!isTensor(source) || source.dtype === "float32" || source.dtype === "float64"))
    sources.set(name, source);
}

/** The parent has ended, or does not need this process any more. */
async function leave(): Promise<void> {
  setTimeout(() => process.kill(process.pid, "SIGKILL"), GRACE);
  for (const controller of open.values()) controller.abort();
  await Promise.allSettled([...executables.values()].map((executable) => executable.dispose()));
  for (const file of files) rmSync(dirname(file), { recursive: true, force: true });
  process.exit();
}
