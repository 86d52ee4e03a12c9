import { readFile } from "node:fs/promises";
import { BackendUnavailableError, type Tensor } from "@residual/core";
import type { Task } from "./protocol.ts";

/** Something that runs the same network without us. */
export interface Runner {
  run(image: Tensor<"float32">): Promise<Float32Array>;
}

/** The part of onnxruntime's interface that is used here. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<{ [name: string]: { data: unknown } }> }>;
  };
  readonly Tensor: new (dtype: "float32", data: Float32Array, dims: readonly number[]) => object;
}

/** Those that one of our backends is to be compared with. */
export const peersOf: { readonly [backend: string]: readonly string[] } = {
  onnx: ["onnxruntime-node", "onnxruntime-node-nospin"],
  webgpu: ["onnxruntime-node-webgpu"],
};

/** Other people's libraries, each as its own documentation says to use it. */
export const peers: { readonly [name: string]: (task: Task) => Promise<Runner> } = {
  /** The model read as bytes, default options. */
  "onnxruntime-node": (task) => onnxruntime(task, {}),
  /** The same without spinning threads, as our backend runs it. */
  "onnxruntime-node-nospin": (task) => onnxruntime(task, { extra: { session: { intra_op: { allow_spinning: "0" } } } }),
  /** Its own WebGPU engine, on the same adapter as ours. */
  "onnxruntime-node-webgpu": (task) => onnxruntime(task, { executionProviders: ["webgpu"] }),
};

async function onnxruntime({ files, threads }: Task, options: object): Promise<Runner> {
  const name = "onnxruntime-node"; // a variable, so that nothing tries to resolve it before it is asked for
  const { default: runtime } = (await import(name).catch(() => {
    throw new BackendUnavailableError(`${name} is not installed; run npm install ${name}`);
  })) as { default: OnnxRuntime };
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
