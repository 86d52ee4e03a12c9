import {
  type Answer,
  type AnyNode,
  constant,
  fill,
  type Graph,
  graph,
  type Input,
  input,
  ops,
  type Tensor,
} from "@residual/core";

const random = (name: string, shape: readonly number[], bound = 0.1) =>
  constant(name, fill("wasm", name, shape, -bound, bound));

export function imageOf(batch: number, size: number, name = "image"): Tensor<"float32"> {
  return fill("wasm", name, [batch, 3, size, size], -1, 1);
}

/** Convolutions of 16 channels with shortcuts, on images of any batch: some kernels of each kind. */
export function residual(size: number, depth = 4, batch: number | "N" = "N"): Graph<"image", "logits"> {
  const image = input("image", [batch, 3, size, size]);
  const conv = (x: AnyNode | Input, channels: number, layer: number) =>
    ops.conv2d(
      { x, weight: random(`${layer}.weight`, [16, channels, 3, 3]), bias: random(`${layer}.bias`, [16]) },
      { padding: 1 },
    );
  let y: AnyNode = ops.relu({ x: conv(image, 3, 0) });
  for (let layer = 1; layer <= depth; layer++) y = ops.relu({ x: ops.add({ a: conv(y, 16, layer), b: y }) });
  const pooled = ops.flatten({
    x: ops.globalAveragePool({ x: ops.maxPool2d({ x: y }, { window: 3, stride: 2, padding: 1 }) }),
  });
  const logits = { ...ops.linear({ x: pooled, weight: random("fc.weight", [5, 16]) }), name: "logits" };
  return graph({ name: "residual", inputs: { image }, outputs: { logits } });
}

/** `depth` square layers of `width`² · 4 bytes, for what depends on the size of weights. */
export function wide(width: number, depth: number): Graph<"x", "y"> {
  const x = input("x", ["N", width]);
  let y: AnyNode | Input = x;
  for (let layer = 0; layer < depth; layer++)
    y = ops.linear({ x: y, weight: random(`${layer}.weight`, [width, width]) });
  return graph({ name: "wide", inputs: { x }, outputs: { y } });
}

/** The bits of an answer, so that −0, NaN and the last place count. */
export function bitsOf({ data }: Answer): readonly number[] {
  return [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}
