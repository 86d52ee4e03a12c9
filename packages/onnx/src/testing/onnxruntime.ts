import { createRequire } from "node:module";
import type { Answer, Tensor } from "@residual/core";
import type * as Runtime from "onnxruntime-node";

const runtime = createRequire(import.meta.url)("onnxruntime-node") as typeof Runtime;

/** Runs a model, given as bytes or by path, on onnxruntime alone: none of our backend is in between. */
export async function runModel(
  model: Uint8Array | string,
  inputs: { readonly [name: string]: Tensor<"float32"> },
): Promise<{ [name: string]: Answer }> {
  const options = { logSeverityLevel: 3, intraOpNumThreads: 1 } as const;
  const session = await (typeof model === "string"
    ? runtime.InferenceSession.create(model, options)
    : runtime.InferenceSession.create(model, options));
  try {
    const feeds = Object.entries(inputs).map(
      ([name, { data, shape }]) => [name, new runtime.Tensor("float32", data, shape)] as const,
    );
    const answers = await session.run(Object.fromEntries(feeds));
    return Object.fromEntries(
      Object.entries(answers).map(([name, { dims, data }]) => [
        name,
        { dtype: "float32", shape: dims, data: data as Float32Array },
      ]),
    );
  } finally {
    await session.release();
  }
}
