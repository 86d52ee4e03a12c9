/// <reference types="@webgpu/types" />
import { concrete, type Graph, ShapeError, sizeOf, UnsupportedError } from "@residual/core";
import type { GpuBuffer } from "@residual/kit/gpu";

/** The caller's buffers, by the names of a graph's inputs and outputs. An output without a buffer is not copied. */
export interface DeviceBuffers<In extends string = string, Out extends string = string> {
  readonly inputs: { readonly [K in In]: GpuBuffer };
  readonly outputs: { readonly [K in Out]?: GpuBuffer };
}

/**
 * Throws ShapeError for a missing input or an unknown name, UnsupportedError for a buffer that is too small or lacks a
 * usage.
 */
export function checkBuffers(graph: Graph, batch: number, { inputs, outputs }: DeviceBuffers): void {
  const expected = Object.keys(graph.inputs);
  if (Object.keys(inputs).sort().join() !== expected.toSorted().join()) {
    const found = Object.keys(inputs).join(", ");
    throw new ShapeError("run.B1", `${graph.name} takes { ${expected.join(", ")} }, found { ${found} }`);
  }
  for (const [name, buffer] of Object.entries(inputs)) {
    checkBuffer(name, buffer, concrete(graph.inputs[name]!.shape, batch), "COPY_SRC");
  }
  for (const [name, buffer] of Object.entries(outputs)) {
    const value = graph.outputs[name];
    if (!value) {
      const known = Object.keys(graph.outputs).join(", ");
      throw new ShapeError("run.B1", `${graph.name} has no output ${name}; it has ${known}`);
    }
    if (buffer) checkBuffer(name, buffer, concrete(value.shape, batch), "COPY_DST");
  }
}

function checkBuffer(
  name: string,
  { size, usage }: GpuBuffer,
  shape: readonly number[],
  needed: "COPY_SRC" | "COPY_DST",
): void {
  const bytes = 4 * sizeOf(shape);
  if (size < bytes)
    throw new UnsupportedError(
      `webgpu: the buffer for ${name} has ${size} bytes, [${shape.join(", ")}] in float32 takes ${bytes}`,
    );
  if ((usage & GPUBufferUsage[needed]) === 0) {
    throw new UnsupportedError(`webgpu: the buffer for ${name} was made without GPUBufferUsage.${needed}`);
  }
}
