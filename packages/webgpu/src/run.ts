import { type Answer, DeviceLostError, sizeOf, tensorOf } from "@residual/core";
import type { Gpu } from "./device.ts";
import { guarded } from "./device.ts";
import type { Ready } from "./memory.ts";
import { bytesOf } from "./plan.ts";

/** One run: the inputs up, all dispatches in one pass, the outputs down. One submit, one mapping. */
export async function runPlan(
  gpu: Gpu,
  ready: Ready,
  inputs: readonly (readonly [name: string, data: Float32Array<ArrayBuffer>])[],
): Promise<{ [name: string]: Answer }> {
  const { device } = gpu;
  const { steps, readings, mapped } = ready;
  for (const [name, data] of inputs) device.queue.writeBuffer(ready.inputs.get(name)!, 0, data);
  await guarded(gpu, "a run", async () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { pipeline, group, workgroups } of steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    for (const { from, offset, shape } of readings) {
      encoder.copyBufferToBuffer(from, 0, mapped, offset, bytesOf(shape));
    }
    device.queue.submit([encoder.finish()]);
  });
  await mapped.mapAsync(GPUMapMode.READ).catch((cause: unknown) => {
    gpu.check();
    throw new DeviceLostError(`webgpu: the device did not give its answer: ${String(cause)}; compile again`, { cause });
  });
  const bytes = mapped.getMappedRange();
  const answers = readings.map(({ name, shape, offset }): [string, Answer] => [
    name,
    tensorOf("float32", shape, new Float32Array(bytes.slice(offset, offset + 4 * sizeOf(shape)))),
  ]);
  mapped.unmap();
  return Object.fromEntries(answers);
}
