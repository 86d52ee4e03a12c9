import { RequestError } from "../errors.ts";
import { binaryOf } from "../inference/binary.ts";
import type { RequestTensor } from "../inference/datatypes.ts";
import type { InferenceRequest, OutputTensor } from "../inference/infer.ts";

interface Parameters {
  readonly [name: string]: { readonly int64_param?: number };
}

/** ModelInferRequest as proto-loader gives it. Texts that were not given are empty. */
export interface InferMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly (Pick<RequestTensor, "name" | "datatype" | "shape"> & {
    readonly contents: { readonly [field: string]: unknown } | null;
  })[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

/** The field of `contents` for each datatype. FP16 has none. */
const fields: { readonly [datatype: string]: string } = {
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  UINT8: "uint_contents",
};

/** Throws RequestError (400) for raw contents that are not one for each input, and for an invalid parameter. */
export function requestOf({ inputs, outputs, raw_input_contents: raw }: InferMessage): InferenceRequest {
  const isRaw = raw.length > 0;
  if (isRaw && (raw.length !== inputs.length || inputs.some(({ contents }) => contents)))
    throw new RequestError(400, "expected either contents in each input, or raw_input_contents for all inputs");
  const asked = outputs.map(({ name, parameters }) => ({ name, classification: whole(parameters, "classification") }));
  return {
    inputs: inputs.map(({ contents, ...input }, index) => ({
      ...input,
      ...(isRaw ? { raw: raw[index] } : { data: contents?.[fields[input.datatype] ?? ""] }),
    })),
    ...(asked.length > 0 && { outputs: asked }),
  };
}

/** A ModelInferResponse with the outputs as raw contents, or as contents. */
export function responseOf(message: InferMessage, version: string, outputs: readonly OutputTensor[]): object {
  const isRaw = message.raw_input_contents.length > 0;
  return {
    model_name: message.model_name,
    model_version: version,
    id: message.id,
    outputs: outputs.map(({ name, datatype, shape, data }) => ({
      name,
      datatype,
      shape,
      ...(!isRaw && {
        contents: datatype === "FP32" ? { fp32_contents: [...data] } : { bytes_contents: bytesOf(data) },
      }),
    })),
    raw_output_contents: isRaw ? outputs.map(binaryOf) : [],
  };
}

/** A parameter that is a whole number from 1. Throws RequestError (400) for another value. */
export function whole(parameters: Parameters, name: string): number | undefined {
  if (!Object.hasOwn(parameters, name)) return undefined;
  const value = parameters[name]!.int64_param;
  if (value !== undefined && value >= 1) return value;
  throw new RequestError(400, `parameter ${name}: expected a whole number from 1, as int64_param`);
}

const bytesOf = (texts: readonly string[]): readonly Uint8Array[] => texts.map((text) => Buffer.from(text));
