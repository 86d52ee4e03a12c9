import { type Executable, executableOf, graph, input, type WorkOptions } from "@residual/core";
import { loadedGraph } from "../backend.ts";
import type { OnnxOptions } from "../options.ts";
import { threadSettings } from "../runtime/node/runtime.ts";
import { NodeThread } from "../runtime/node/thread.ts";
import { verifyOnnx } from "./verify-onnx.ts";

/**
 * An executable from a file that `writeOnnx` wrote. Its weights are held against their SHA-256 first: onnxruntime itself
 * loads flipped bits, and answers with other numbers.
 *
 * Throws FormatError where they are not the ones that were written, and what `onnx` and its `compile` throw.
 */
export async function openOnnx(
  path: string,
  { signal, onProgress, ...options }: Omit<OnnxOptions, "map"> & WorkOptions = {},
): Promise<Executable> {
  const thread = new NodeThread(threadSettings(options));
  try {
    const { model, inputs } = await verifyOnnx(path, { signal, onProgress });
    const session = await thread.load({ model: path }, signal);
    const shapes = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)] as const);
    const opened = graph({ name: model, inputs: Object.fromEntries(shapes), outputs: {} });
    return executableOf({ name: "onnx", overlaps: true }, opened, loadedGraph(session)).executable;
  } catch (error) {
    await thread.close();
    throw error;
  }
}
