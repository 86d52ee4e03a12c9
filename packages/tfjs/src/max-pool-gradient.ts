import type { Pads } from "@residual/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./runtime.ts";

interface Windows {
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: Pads;
}

/**
 * The gradient of a max pool on NHWC images, for engines whose tensors can be read at once. Each window's dy goes to
 * its first largest pixel, or to its first NaN. tfjs's own kernel for wasm drops the gradients of windows whose
 * maximum is not positive.
 */
export function maxPoolGradient(
  tf: TensorFlow,
  [x, dy]: readonly Tensor[],
  { window, strides, pads }: Windows,
): Tensor {
  const [images = 0, height = 0, width = 0, channels = 0] = x!.shape;
  const [, rows = 0, columns = 0] = dy!.shape;
  const [pixels, slopes] = [x!.dataSync(), dy!.dataSync()];
  const dx = new Float32Array(pixels.length);
  const best = new Float32Array(channels);
  const winners = new Int32Array(channels);
  for (let from = 0, image = 0; image < images; image++) {
    for (let i = 0; i < rows; i++) {
      const [top, bottom] = span(i, strides[0], pads[0], window[0], height);
      for (let j = 0; j < columns; j++, from += channels) {
        const [left, right] = span(j, strides[1], pads[1], window[1], width);
        winners.fill(-1);
        for (let p = top; p < bottom; p++) {
          const row = ((image * height + p) * width + left) * channels;
          for (let at = row; at < row + (right - left) * channels; at += channels) {
            for (let c = 0; c < channels; c++) {
              const value = pixels[at + c]!;
              const largest = best[c]!;
              const isFirst = winners[c]! < 0 || (Number.isNaN(value) && !Number.isNaN(largest));
              if (!isFirst && !(value > largest)) continue;
              best[c] = value;
              winners[c] = at + c;
            }
          }
        }
        for (let c = 0; c < channels; c++) dx[winners[c]!]! += slopes[from + c]!;
      }
    }
  }
  return tf.tensor(dx, x!.shape);
}

/** The pixels of a window inside the image. */
function span(index: number, stride: number, before: number, window: number, size: number): readonly [number, number] {
  const first = index * stride - before;
  return [Math.max(first, 0), Math.min(first + window, size)];
}
