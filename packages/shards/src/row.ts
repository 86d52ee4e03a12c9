import type { Prediction } from "@residual/vision";

/** The line of a picture in a shard. A picture that failed has an error, and null in place of the answers. */
export interface Row {
  /** The picture's path or URL, as the input names it. */
  readonly image: string;
  /** The code of the picture's error: `FormatError`, `FetchError`, `ChangedError`, … Null if there is none. */
  readonly error: string | null;
  readonly message: string | null;
  /** Pixels of the decoded picture. */
  readonly width: number | null;
  readonly height: number | null;
  /** The likeliest class. Only with the output `predictions`, as the next three. */
  readonly label?: string | null;
  readonly index?: number | null;
  readonly probability?: number | null;
  /** The likeliest classes, likeliest first. */
  readonly top?: readonly Prediction[] | null;
  /** The pooled features, float32. Only with the output `embedding`. */
  readonly embedding?: readonly number[] | null;
}

export const outputs = ["predictions", "embedding"] as const;
/** The answers in a row. */
export type Output = (typeof outputs)[number];

export const formats = ["parquet", "jsonl"] as const;
/** The format of shard files. */
export type Format = (typeof formats)[number];
