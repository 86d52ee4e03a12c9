import { type Tensor, UnsupportedError } from "@residual/core";
import { byteLength, bytesOf, type Initializer, type Model } from "./model-proto.ts";

/** Weights start at multiples of this many bytes: a cache line, and more than any dtype asks for. */
const ALIGNMENT = 64;

/** What onnxruntime takes as one model, and as one tensor of it: protobuf's own limit. */
export const LARGEST_BYTES: number = 2 ** 31 - 1;

/** A tensor's place in the file beside a model, in bytes. */
export interface PlacedTensor {
  readonly tensor: Tensor<"float32">;
  readonly offset: number;
}

/** A model whose weights lie in a file beside it, and what lies where in that file. */
export interface Layout {
  readonly model: Model;
  readonly pieces: readonly PlacedTensor[];
  /** In bytes, over all. */
  readonly length: number;
}

/** Moves the weights of a model into a file `location` beside it, one after the other, aligned. */
export function layOut(model: Model, location: string): Layout {
  const pieces: PlacedTensor[] = [];
  let length = 0;
  const initializers = model.initializers.map((initializer): Initializer => {
    const { tensor } = initializer;
    if (tensor.dtype !== "float32") return initializer;
    const offset = length + (-length & (ALIGNMENT - 1));
    const external = { location, offset, length: byteLength(tensor) };
    pieces.push({ tensor, offset });
    length = offset + external.length;
    return { ...initializer, external };
  });
  return { model: { ...model, initializers }, pieces, length };
}

/** The layout's file piece by piece, by reference, with what fills the gaps. */
export function bytesOfFile({ pieces }: Layout): Uint8Array[] {
  let end = 0;
  return pieces.flatMap(({ tensor, offset }) => {
    const gap = new Uint8Array(offset - end);
    end = offset + byteLength(tensor);
    return [gap, bytesOf(tensor)];
  });
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
