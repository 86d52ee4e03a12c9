import { type Executable, executableOf, graph, input, type WorkOptions } from "@residual/core";
import { loadedGraph } from "../backend.ts";
import type { OnnxOptions } from "../options.ts";
import { openThread, threadSettings } from "../runtime/node/runtime.ts";
import { verifyOnnx } from "./verify-onnx.ts";

/**
 * An executable, on the CPU, from a file that `writeOnnx` wrote. Its weights are held against their SHA-256 first:
 * onnxruntime itself loads flipped bits, and answers with other numbers.
 *
 * Throws FormatError where they are not the ones that were written, and what `onnx` and its `compile` throw.
 */
export async function openOnnx(
  path: string,
  { signal, onProgress, ...options }: Omit<OnnxOptions, "device" | "map"> & WorkOptions = {},
): Promise<Executable<string, string, "float32">> {
  const session = await openThread(threadSettings(options)); // which loads onnxruntime meanwhile
  try {
    const { model, inputs } = await verifyOnnx(path, { signal, onProgress });
    await session.load({ model: path }, signal);
    const shapes = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)] as const);
    const opened = graph({ name: model, inputs: Object.fromEntries(shapes), outputs: {} });
    return executableOf({ name: "onnx", overlaps: true }, opened, loadedGraph(session, opened)).executable;
  } catch (error) {
    await session.close();
    throw error;
  }
}
