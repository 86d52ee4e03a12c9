import { type Executable, executableOf, graph, input, type WorkOptions } from "@residual/core";
import { loadedGraph } from "../backend.ts";
import type { OnnxOptions } from "../options.ts";
import { openSession } from "../runtime/node/runtime.ts";
import { type OnnxSummary, readVerified } from "./verify-onnx.ts";

/**
 * An executable, on the CPU, from a file that `writeOnnx` wrote. The file is verified first, as by `verifyOnnx`, and
 * the verified bytes are run: later changes of the file have no effect.
 *
 * Throws FormatError as `verifyOnnx` does, and what `onnx` and its `compile` throw.
 */
export async function openOnnx(
  path: string,
  { signal, onProgress, ...options }: Omit<OnnxOptions, "device" | "map"> & WorkOptions = {},
): Promise<Executable<string, string, "float32">> {
  let summary: OnnxSummary;
  const session = await openSession(options, signal, async () => {
    const verified = await readVerified(path, { signal, onProgress });
    ({ summary } = verified);
    return verified.source;
  });
  const { model, inputs } = summary!;
  const shapes = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)] as const);
  const opened = graph({ name: model, inputs: Object.fromEntries(shapes), outputs: {} });
  return executableOf({ name: "onnx", overlaps: true }, opened, loadedGraph(session, opened)).executable;
}
