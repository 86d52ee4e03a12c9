import { type Answer, sizeOf, type Tensor, tensorOf } from "@residual/core";

/** An output in float32, as callers get it. */
export function inFloat32({ dtype, shape, data }: Answer): Tensor<"float32"> {
  return tensorOf("float32", shape, dtype === "float32" ? data : Float32Array.from(data));
}

/** Batches of a value, concatenated. */
export function joined(parts: readonly Tensor<"float32">[]): Tensor<"float32"> {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const rest = first!.shape.slice(1);
  const images = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const data = new Float32Array(images * sizeOf(rest));
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return tensorOf("float32", [images, ...rest], data);
}

/** [N, C, 1, 1] of the pooled features as [N, C], the shape used for comparisons. */
export function flattened(name: string, { shape, data }: Tensor<"float32">): Tensor<"float32"> {
  const [images = 0, ...rest] = shape;
  return tensorOf("float32", name === "avgpool" ? [images, sizeOf(rest)] : shape, data);
}
