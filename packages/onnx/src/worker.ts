/**
 * One session of onnxruntime-node in a thread of its own, since its create() and run() block the thread they are called
 * on. Jobs are done one after the other. The thread ends by message, between jobs: to terminate it in mid run would
 * abort the whole process.
 */
import { isMarkedAsUntransferable, parentPort, workerData } from "node:worker_threads";
import type { InferenceSession } from "onnxruntime-node";
import { enter } from "./gate.ts";
import type { FromWorker, Job, ModelSource, NamedNumbers, SessionSettings, ToWorker, WorkerSetup } from "./protocol.ts";

type Runtime = typeof import("onnxruntime-node");

const port = parentPort!;
const { runtime: specifier, settings, gate, warmUp } = workerData as WorkerSetup;
const loading = load(specifier);
loading.catch(() => {}); // the first job reports it
const waiting: (Job | { readonly kind: "release" })[] = [];
let busy = false;
let session: InferenceSession | undefined;

port.on("message", (message: ToWorker) => {
  if (message.kind === "cancel") cancel(message.id);
  else waiting.push(message);
  if (!busy) void work();
});

/** The package is CommonJS, which a dynamic import wraps. Its first session takes 30 ms more than later ones. */
async function load(url: string): Promise<Runtime> {
  const module = (await enter(gate, () => import(url))) as Runtime & { default?: Runtime };
  const runtime = module.default ?? module;
  await enter(gate, async () => (await create(runtime, { model: warmUp })).release());
  reuseFreedMemory();
  return runtime;
}

/**
 * Weights are copied from one place to another while they are optimized. glibc maps each copy that is larger than any freed
 * so far afresh, page by page; one large block, never touched and freed at once, makes it keep what is freed and give it
 * out again: 12,000 of 80,000 page faults less for ResNet-50. Elsewhere it does nothing. 32 MiB is glibc's own limit.
 */
function reuseFreedMemory(): void {
  new ArrayBuffer((32 << 20) - (64 << 10)).transfer(0);
}

function cancel(id: number): void {
  const index = waiting.findIndex((job) => job.kind !== "release" && job.id === id);
  if (index < 0) return;
  waiting.splice(index, 1);
  reply({ kind: "cancelled", id });
}

async function work(): Promise<void> {
  busy = true;
  while (waiting.length > 0) {
    await turn();
    const job = waiting.shift();
    if (job?.kind === "release") await release();
    else if (job) await perform(job);
  }
  busy = false;
}

/** Lets messages that came during the last job in, so that a cancelled one is not begun. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function perform(job: Job): Promise<void> {
  const { id } = job;
  let stage: "load" | "job" = "load";
  try {
    const runtime = await loading;
    stage = "job";
    const outputs = await enter(gate, () => carryOut(runtime, job));
    const spent = job.kind === "run" ? buffersOf(job.inputs) : [];
    reply({ kind: "done", id, outputs, spent }, [...buffersOf(outputs), ...spent]);
  } catch (error) {
    reply({ kind: "failed", id, stage, message: error instanceof Error ? error.message : String(error) });
  }
}

async function carryOut(runtime: Runtime, job: Job): Promise<NamedNumbers> {
  if (job.kind === "run") return run(runtime, job.inputs);
  session = await create(runtime, job.source);
  return {};
}

function create(runtime: Runtime, { model, externalData }: ModelSource): Promise<InferenceSession> {
  const options = { ...optionsOf(settings), ...(externalData && { externalData: [externalData] }) };
  return typeof model === "string"
    ? runtime.InferenceSession.create(model, options)
    : runtime.InferenceSession.create(model, options);
}

function optionsOf({ threads, spin }: SessionSettings): InferenceSession.SessionOptions {
  const allow_spinning = spin ? "1" : "0";
  const force_spinning_stop = "1"; // with spin: while a run is under way, and not for a while after it
  return {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4, // fatal: what fails is thrown, and stderr is not ours to write to
    extra: { session: { intra_op: { allow_spinning }, inter_op: { allow_spinning }, force_spinning_stop } },
  };
}

async function run(runtime: Runtime, inputs: NamedNumbers): Promise<NamedNumbers> {
  const feeds = mapValues(inputs, ({ shape, data }) => new runtime.Tensor("float32", data, shape));
  const answers = await session!.run(feeds);
  return mapValues(answers, ({ dims, data }) => ({
    shape: dims,
    data: transferable(data as Float32Array<ArrayBuffer>),
  }));
}

/** The binding answers in memory of V8's own, which may leave the thread; should a release not do so, in a copy. */
function transferable(data: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const alone = data.byteLength === data.buffer.byteLength && !isMarkedAsUntransferable(data.buffer);
  return alone ? data : data.slice();
}

async function release(): Promise<void> {
  await session?.release();
  port.close();
}

function mapValues<A, B>(record: { readonly [name: string]: A }, change: (value: A) => B): { [name: string]: B } {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function buffersOf(tensors: NamedNumbers): ArrayBuffer[] {
  return Object.values(tensors).map(({ data }) => data.buffer);
}

function reply(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}
