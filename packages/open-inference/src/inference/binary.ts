import { RequestError } from "../errors.ts";
import type { OutputTensor } from "./infer.ts";

/** The extension's header: the bytes of the JSON in front of the tensors. */
export const HEADER_LENGTH = "Inference-Header-Content-Length";

/** The JSON of a body, and the binary data behind it. Throws RequestError for a length that the body does not have. */
export function splitBody(body: Uint8Array, headerLength: string | undefined): { json: unknown; binary: Uint8Array } {
  const length = headerLength === undefined ? body.length : Number(headerLength);
  if (!/^\d+$/.test(headerLength ?? "0") || length > body.length) {
    throw new RequestError(400, `${HEADER_LENGTH} is ${headerLength}, expected a length within ${body.length} bytes`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(0, length));
    return { json: JSON.parse(text), binary: body.subarray(length) };
  } catch {
    const isTensor = headerLength === undefined && body.length > 0;
    const way = isTensor ? `; binary data needs the header ${HEADER_LENGTH}` : "";
    throw new RequestError(400, `the body is not JSON in UTF-8${way}`);
  }
}

/** Takes the inputs' binary data in order. Throws RequestError unless the sizes add up to the data's. */
export function binaryParts(binary: Uint8Array, sizes: readonly (number | undefined)[]): (Uint8Array | undefined)[] {
  const total = sizes.reduce((sum: number, size = 0) => sum + size, 0);
  if (total !== binary.length) {
    throw new RequestError(400, `found ${binary.length} bytes of binary data, expected ${total} by binary_data_size`);
  }
  let end = 0;
  return sizes.map((size) => {
    if (size === undefined) return undefined;
    end += size;
    return binary.subarray(end - size, end);
  });
}

/** Little-endian numbers; each text with its length in four bytes before it. */
export function binaryOf({ datatype, data }: OutputTensor): Uint8Array {
  if (datatype === "FP32") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat(
    data.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}
