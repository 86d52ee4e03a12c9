import { readFile } from "node:fs/promises";
import type { Task } from "../protocol.ts";
import { imported, type Peer, type Runner } from "./runner.ts";

/** The part of onnxruntime's interface that the bench uses; onnxruntime-web has the same. */
export interface OnnxRuntime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (dtype: "float32", data: Float32Array, dims: readonly number[]) => object;
}

interface Session {
  run(feeds: object): Promise<{ readonly [name: string]: { readonly data: unknown } }>;
}

/** Default options. */
export const onnxruntimeNode: Peer = (task) => inNode(task, {});

/** Without spinning threads, as our backend runs it. */
export const onnxruntimeNodeNospin: Peer = (task) =>
  inNode(task, { extra: { session: { intra_op: { allow_spinning: "0" } } } });

/** onnxruntime's WebGPU engine, on the same adapter as ours. */
export const onnxruntimeNodeWebgpu: Peer = (task) => inNode(task, { executionProviders: ["webgpu"] });

async function inNode(task: Task, options: object): Promise<Runner> {
  const { default: runtime } = await imported<{ default: OnnxRuntime }>("onnxruntime-node");
  return runnerOf(runtime, task, options);
}

/** The model read as bytes. */
export async function runnerOf(runtime: OnnxRuntime, { files, threads }: Task, options: object): Promise<Runner> {
  const session = await runtime.InferenceSession.create(await readFile(files.onnx), {
    ...options,
    logSeverityLevel: 3,
    ...(threads !== undefined && { intraOpNumThreads: threads }),
  });
  return {
    run: async ({ data, shape }) => {
      const { logits } = await session.run({ image: new runtime.Tensor("float32", data, shape) });
      return logits!.data as Float32Array;
    },
  };
}
