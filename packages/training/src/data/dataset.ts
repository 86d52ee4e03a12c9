import type { Tensor } from "@residual/core";
import type { Pixels } from "@residual/vision";

/**
 * A picture as plain data, which a message takes to another thread: a file, the bytes of a file, pixels, or numbers
 * [C, H, W] that are a model's input already.
 */
export type StoredPicture =
  | { readonly path: string }
  | { readonly file: Uint8Array }
  | { readonly pixels: Pixels }
  | { readonly tensor: Tensor<"float32"> };

export interface Example {
  /** For messages: a path, or the name of a file and the index in it. */
  readonly name: string;
  /** The class, from 0. */
  readonly label: number;
  readonly picture: StoredPicture;
}

/** Labelled pictures: plain data. Pictures are decoded when batches are made of them. */
export interface Dataset {
  /** The name of each class. */
  readonly labels: readonly string[];
  readonly examples: readonly Example[];
  /** What the reader of a report should know: skipped files, classes with few pictures. */
  readonly notes: readonly string[];
}

/** The indices of each class's examples, in order. */
export function indicesByClass({ labels, examples }: Pick<Dataset, "labels" | "examples">): readonly number[][] {
  const indices: number[][] = labels.map(() => []);
  for (const [index, { label }] of examples.entries()) indices[label]!.push(index);
  return indices;
}
