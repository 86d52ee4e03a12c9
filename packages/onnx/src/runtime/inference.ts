import type { InferenceSession } from "onnxruntime-node";
import type { RawTensor, RawTensors } from "../session.ts";

// Part of what a thread loads, so that @residual/core is not imported here.

/** The part of onnxruntime-node's interface that is used here. onnxruntime-web has the same. */
export type OnnxRuntime = Pick<typeof import("onnxruntime-node"), "InferenceSession" | "Tensor">;

export type SessionOptions = InferenceSession.SessionOptions;

/** How a model reaches onnxruntime: by the path of a file that it maps, or as bytes, with or without the weights apart. */
export interface ModelSource {
  readonly model: string | Uint8Array<ArrayBuffer>;
  readonly externalData?: { readonly path: string; readonly data: Uint8Array<ArrayBuffer> };
}

export function createSession(
  runtime: OnnxRuntime,
  { model, externalData }: ModelSource,
  options: SessionOptions,
): Promise<InferenceSession> {
  const all = { ...options, ...(externalData && { externalData: [externalData] }) };
  return typeof model === "string"
    ? runtime.InferenceSession.create(model, all)
    : runtime.InferenceSession.create(model, all);
}

export async function runSession(
  runtime: OnnxRuntime,
  session: InferenceSession,
  inputs: RawTensors,
): Promise<RawTensors> {
  const feeds = Object.entries(inputs).map(
    ([name, { shape, data }]) => [name, new runtime.Tensor("float32", data, shape)] as const,
  );
  const answers = await session.run(Object.fromEntries(feeds));
  return Object.fromEntries(
    Object.entries(answers).map(([name, { dims, data }]): [string, RawTensor] => [
      name,
      { shape: dims, data: data as Float32Array<ArrayBuffer> },
    ]),
  );
}
