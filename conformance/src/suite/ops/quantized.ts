import type { Tensor } from "@residual/core";

/**
 * The error of a sum of products in 8 bits. x is off by a step of its range: half a step, and another half for the zero
 * point. The weights of an output are off by half a step of their range. `ofX` is the sum of |x| over the output's
 * inputs. The answer is not quantized.
 */
export function eightBits(x: Tensor<"float64">, weight: Tensor<"float64">): (output: number, ofX: number) => number {
  const [low, high] = x.data.reduce<readonly [number, number]>(
    ([least, most], each) => [Math.min(least, each), Math.max(most, each)],
    [0, 0],
  );
  const stepX = (high - low) / 255;
  const length = weight.data.length / weight.shape[0]!;
  const outputs = Array.from({ length: weight.shape[0]! }, (_, output) => {
    const row = weight.data.subarray(output * length, (output + 1) * length);
    const stepW = row.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127;
    return { ofW: row.reduce((sum, w) => sum + Math.abs(w), 0), stepW };
  });
  return (output, ofX) => {
    const { ofW, stepW } = outputs[output]!;
    return ofW * stepX + (ofX * stepW) / 2 + (length * stepX * stepW) / 2;
  };
}
