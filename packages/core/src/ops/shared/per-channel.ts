import { rank4 } from "../../ir/define-op.ts";
import { check } from "../../ir/errors.ts";
import { type Tensor, tensorOf } from "../../ir/tensor.ts";
import { type AnyNode, type Constant, constant, formatShape, type Shape, type Value } from "../../ir/value.ts";
import { reshape } from "../reshape.ts";

/** A channel's number of elements: N·H·W. Refuses an open batch. */
export function channelSize(x: Shape, label: string): number {
  const [n, , h, w] = rank4(x, label);
  const wayOut = "fix the batch with closeBatch";
  check(n !== "N", label, () => `statistics of a batch need its size, found ${formatShape(x)}; ${wayOut}`);
  return n * h * w;
}

/** Checks that shapes are [C] with the channels of x. */
export function checkChannels(x: Shape, vectors: { readonly [name: string]: Shape }, label: string): void {
  for (const [name, shape] of Object.entries(vectors)) {
    const fits = shape.length === 1 && shape[0] === x[1];
    check(fits, label, () => `${name} is ${formatShape(shape)}, x has ${x[1]} channels`);
  }
}

/** A vector [C] as [1, C, 1, 1], which broadcasts to images. */
export function asImage(vector: Value): AnyNode {
  return reshape({ x: vector }, { shape: [1, vector.shape[0] as number, 1, 1] });
}

/** A constant [C] of equal numbers. */
export function uniform(name: string, channels: number, value: number): Constant {
  const numbers: Tensor<"float32"> = tensorOf("float32", [channels], new Float32Array(channels).fill(value));
  return constant(name, numbers);
}
