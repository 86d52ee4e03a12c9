/**
 * A program on a wasm engine in a worker thread. The engine yields every few milliseconds here too, so that an abort is
 * received between two operations. The thread may be terminated at any time: it shares nothing.
 */
import { parentPort, workerData } from "node:worker_threads";
import { ResidualError } from "@residual/core";
import { openEngine } from "./engines.ts";
import { type Fill, type NamedTensors, Network } from "./execute.ts";
import { type FromWorker, LOADING, type ToWorker, type WorkerSetup } from "./protocol.ts";

const port = parentPort!;
const { program, wasmPaths } = workerData as WorkerSetup;
const runs = new Map<number, AbortController>();
let give: ((data: Float32Array) => void) | undefined;

const receivers: { readonly [Kind in ToWorker["kind"]]: (message: Extract<ToWorker, { kind: Kind }>) => unknown } = {
  weight: ({ data }) => give?.(data),
  run: ({ id, inputs }) => void settle(id, () => run(id, inputs)),
  commit: async () => (await loading).commit(),
  read: ({ id, names }) => void settle(id, async () => (await loading).read(names)),
  abort: ({ id }) => runs.get(id)?.abort(),
};

port.on("message", (message: ToWorker) => (receivers[message.kind] as (message: ToWorker) => void)(message));

const loading = load();
await settle(LOADING, async () => {
  await loading;
  return {};
});

async function load(): Promise<Network> {
  const engine = await openEngine("wasm", { wasmPaths });
  const fill: Fill = async (name, target) => {
    const data = await new Promise<Float32Array>((resolve) => {
      give = resolve;
      reply({ kind: "want", name });
    });
    target().set(data);
  };
  return Network.load(engine, program, fill, {
    onProgress: (progress) => reply({ kind: "progress", id: LOADING, progress }),
  });
}

async function run(id: number, inputs: NamedTensors): Promise<NamedTensors> {
  const controller = new AbortController();
  runs.set(id, controller);
  try {
    const network = await loading;
    return await network.run(inputs, {
      signal: controller.signal,
      onProgress: (progress) => reply({ kind: "progress", id, progress }),
    });
  } finally {
    runs.delete(id);
  }
}

async function settle(id: number, work: () => Promise<NamedTensors>): Promise<void> {
  try {
    const outputs = await work();
    reply(
      { kind: "done", id, outputs },
      Object.values(outputs).map(({ data }) => data.buffer as ArrayBuffer),
    );
  } catch (error) {
    const code = error instanceof ResidualError ? error.code : "";
    reply({ kind: "failed", id, code, message: error instanceof Error ? error.message : String(error) });
  }
}

function reply(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}
