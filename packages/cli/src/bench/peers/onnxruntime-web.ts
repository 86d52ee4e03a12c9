/// <reference types="@webgpu/types" />
import { availableParallelism } from "node:os";
import { browserGpu } from "./dawn.ts";
import { type OnnxRuntime, runnerOf } from "./onnxruntime-node.ts";
import { imported, type Peer } from "./runner.ts";

/**
 * The WebGPU engine of onnxruntime for browsers, compiled to WebAssembly, on Dawn. It loads slowest: at least 4 s for
 * ResNet-18.
 */
export const onnxruntimeWebWebgpu: Peer = async (task) => {
  await browserGpu();
  acceptSharedMemory();
  const runtime = await imported<OnnxRuntime>("onnxruntime-web/webgpu", "onnxruntime-web", "webgpu");
  return runnerOf(runtime, task, { executionProviders: ["webgpu"] });
};

/** Its engine for CPUs, in the build for Node; default: one thread per core, as in a page with threads. */
export const onnxruntimeWebWasm: Peer = async (task) => {
  type Runtime = OnnxRuntime & { readonly env: { readonly wasm: { numThreads: number } } };
  const runtime = await imported<Runtime>("onnxruntime-web");
  runtime.env.wasm.numThreads = task.threads ?? availableParallelism();
  return runnerOf(runtime, task, { executionProviders: ["wasm"] });
};

/** Its WebAssembly memory is shared, which Dawn in Node does not accept, so Dawn gets a copy. */
function acceptSharedMemory(): void {
  type Write = (this: GPUQueue, ...args: Parameters<GPUQueue["writeBuffer"]>) => undefined;
  const queue: { writeBuffer: Write } = GPUQueue.prototype;
  const { writeBuffer } = queue;
  queue.writeBuffer = function (buffer, offset, data, from = 0, size?: number) {
    if (!(data instanceof Uint8Array && data.buffer instanceof SharedArrayBuffer))
      return writeBuffer.call(this, buffer, offset, data, from, size);
    return writeBuffer.call(this, buffer, offset, data.slice(from, size === undefined ? size : from + size));
  };
}
