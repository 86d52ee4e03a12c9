import { type Answer, constant, fill as fillBySalt, type Graph, graph, input, ops, type Tensor } from "@residual/core";

/** Deterministic numbers in [−1, 1). */
export function fill(shape: readonly number[], seed: number): Tensor<"float32"> {
  return fillBySalt("tfjs", String(seed), shape, -1, 1);
}

/** relu(conv(image) + image), pooled and classified: the smallest residual network. */
export function tiny(batch: number | "N" = "N"): Graph<"image", "logits"> {
  const image = input("image", [batch, 4, 8, 8]);
  const [weight, bias] = [constant("conv.weight", fill([4, 4, 3, 3], 1)), constant("conv.bias", fill([4], 2))];
  const conv = ops.conv2d({ x: image, weight, bias }, { padding: 1 });
  const sum = ops.relu({ x: ops.add({ a: conv, b: image }) });
  const pooled = ops.flatten({ x: ops.globalAveragePool({ x: sum }) });
  const logits = ops.linear({ x: pooled, weight: constant("fc.weight", fill([5, 4], 3)) });
  return graph({ name: "tiny", inputs: { image }, outputs: { logits: { ...logits, name: "logits" } } });
}

/** `depth` convolutions of some 10 ms each: a run that an abort can meet. */
export function slow(depth = 40): Graph<"image", "y"> {
  const image = input("image", ["N", 64, 56, 56]);
  const weight = constant("weight", fill([64, 64, 3, 3], 1));
  let y: ReturnType<typeof ops.conv2d> | typeof image = image;
  for (let layer = 0; layer < depth; layer++) y = ops.conv2d({ x: y, weight }, { padding: 1 });
  return graph({ name: "slow", inputs: { image }, outputs: { y } });
}

/** The bits of an answer. */
export function bitsOf({ data }: Answer): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
}
