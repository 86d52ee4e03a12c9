import { UnsupportedError } from "@residual/core";
import { byteLength, bytesOf, type Initializer, type Model } from "./model-proto.ts";

/** Weights start at multiples of this many bytes: a cache line, and more than any dtype asks for. */
const ALIGNMENT = 64;

/** What onnxruntime takes as one model, and as one tensor of it: protobuf's own limit. */
export const LARGEST_BYTES: number = 2 ** 31 - 1;

/** A model whose weights lie in a file beside it, and that file's bytes, in pieces, by reference. */
export interface Layout {
  readonly model: Model;
  readonly pieces: readonly Uint8Array[];
  /** In bytes, over all pieces. */
  readonly length: number;
}

/** Moves the weights of a model into a file `location` beside it, one after the other, aligned. */
export function layOut(model: Model, location: string): Layout {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const add = (piece: Uint8Array) => {
    pieces.push(piece);
    length += piece.length;
  };
  const initializers = model.initializers.map((initializer): Initializer => {
    if (!isWeight(initializer)) return initializer;
    add(new Uint8Array(-length & (ALIGNMENT - 1)));
    const external = { location, offset: length, length: byteLength(initializer.tensor) };
    add(bytesOf(initializer.tensor));
    return { ...initializer, external };
  });
  return { model: { ...model, initializers }, pieces, length };
}

/** Whether a constant is weights, rather than whole numbers that an operator takes. */
export function isWeight(initializer: Initializer): boolean {
  return initializer.tensor.dtype === "float32";
}

/** Refuses a tensor that onnxruntime takes in no form. */
export function checkSizes(model: Model): void {
  const large = model.initializers.find(({ tensor }) => byteLength(tensor) > LARGEST_BYTES);
  if (!large) return;
  const limit = `onnxruntime takes ${LARGEST_BYTES} a tensor; split the layer`;
  throw new UnsupportedError(`onnx: ${large.name} has ${byteLength(large.tensor)} bytes, ${limit}`);
}
