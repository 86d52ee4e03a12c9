/// <reference types="@webgpu/types" />
import { availableParallelism } from "node:os";
import { browserGpu } from "./dawn.ts";
import { type OnnxRuntime, runnerOf } from "./onnxruntime-node.ts";
import { imported, type Peer } from "./runner.ts";

/**
 * The WebGPU engine of onnxruntime for browsers, compiled to WebAssembly, on Dawn. The slowest to load of all: 4 s for
 * ResNet-18 at best.
 */
export const onnxruntimeWebWebgpu: Peer = async (task) => {
  await browserGpu();
  acceptSharedMemory();
  const runtime = await imported<OnnxRuntime>("onnxruntime-web/webgpu", "onnxruntime-web", "webgpu");
  return runnerOf(runtime, task, { executionProviders: ["webgpu"] });
};

/** Its engine for CPUs, in the build for Node; one thread per core where not given, as in a page with threads. */
export const onnxruntimeWebWasm: Peer = async (task) => {
  type Runtime = OnnxRuntime & { readonly env: { readonly wasm: { numThreads: number } } };
  const runtime = await imported<Runtime>("onnxruntime-web");
  runtime.env.wasm.numThreads = task.threads ?? availableParallelism();
  return runnerOf(runtime, task, { executionProviders: ["wasm"] });
};

/** The memory of its WebAssembly is shared, and Dawn in Node takes no view of such: it gets a copy. */
function acceptSharedMemory(): void {
  // oxlint-disable-next-line typescript/unbound-method -- called on its queue, below
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = function (this: GPUQueue, buffer, offset, data, from = 0, size?: number): undefined {
    if (!(data instanceof Uint8Array && data.buffer instanceof SharedArrayBuffer))
      return writeBuffer.call(this, buffer, offset, data, from, size);
    return writeBuffer.call(this, buffer, offset, data.slice(from, size === undefined ? size : from + size));
  };
}
