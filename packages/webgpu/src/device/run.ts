import { sizeOf, type Tensor, tensorOf, throwIfAborted, type WorkOptions } from "@residual/core";
import type { Gpu } from "./gpu.ts";
import { answered, type Calls, guarded } from "./guard.ts";
import { type PreparedPlan, type Reading, readableBuffer, type Step, type Weights } from "./memory.ts";
import { fenceOn, mapWhenDone } from "./wait.ts";

/** An input's numbers, on the host or in the caller's buffer. */
export type Given = { readonly name: string } & (
  | { readonly data: Float32Array; readonly buffer?: never }
  | { readonly buffer: GPUBuffer; readonly data?: never }
);

interface Run {
  readonly inputs: readonly Given[];
  /** The buffers that outputs are copied to. Default: the buffer that the host reads */
  readonly outputs?: { readonly [name: string]: GPUBuffer | undefined };
  readonly signal?: WorkOptions["signal"];
  readonly copies?: Copies | undefined;
}

/**
 * Copies to encode before a step of a plan, by the step's index. The number of steps is the index of the plan's end.
 */
export type Copies = ReadonlyMap<number, (encoder: GPUCommandEncoder) => void>;

/** Dispatches between two checks of the signal. */
const GROUP = 8;

/**
 * Runs a plan once: uploads the inputs and submits all dispatches in one pass. With a signal, dispatches are submitted
 * in groups, so that an abort skips the remaining groups. Two groups are in flight at a time, so the device never waits
 * for the host.
 */
export async function runPlan(
  { device }: Gpu,
  calls: Calls,
  prepared: PreparedPlan,
  { inputs, outputs, signal, copies }: Run,
): Promise<void> {
  const { steps } = prepared;
  const size = signal ? GROUP : steps.length;
  const groups = Math.max(1, Math.ceil(steps.length / Math.max(1, size)));
  const submit = (group: number) => {
    const isLast = group === groups - 1;
    if (group === 0) writeInputs(device, prepared, inputs);
    const encoder = device.createCommandEncoder();
    if (group === 0) copyInputs(encoder, prepared, inputs);
    const first = group * size;
    encodeSteps(encoder, steps.slice(first, first + size), first, copies);
    if (isLast) copies?.get(steps.length)?.(encoder);
    if (isLast) copyOutputs(encoder, prepared, outputs);
    const fence = (isLast ? outputs : signal) && fenceOn(device); // without a fence, readBack waits for the last group
    fence?.mark(encoder);
    device.queue.submit([encoder.finish()]);
    return fence;
  };
  let before: Promise<void> | undefined;
  for (let group = 0; group < groups; group++) {
    throwIfAborted(signal);
    const fence = calls(() => submit(group));
    const done = fence && answered(fence.reached());
    done?.catch(() => {}); // after an abort nothing awaits it
    await before;
    before = done;
  }
  if (outputs) await before;
}

function writeInputs({ queue }: GPUDevice, { inputs: to }: PreparedPlan, inputs: readonly Given[]): void {
  for (const { name, data } of inputs) if (data) queue.writeBuffer(to.get(name)!, 0, data);
}

/**
 * Encodes steps in one pass, or in several if there are copies between them. `first` is the index of the first step.
 */
export function encodeSteps(encoder: GPUCommandEncoder, steps: readonly Step[], first = 0, copies?: Copies): void {
  let pass = encoder.beginComputePass();
  for (const [i, { pipeline, group, workgroups }] of steps.entries()) {
    const copy = copies?.get(first + i);
    if (copy) {
      pass.end();
      copy(encoder);
      pass = encoder.beginComputePass();
    }
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
}

/** Replaces all variables in one submit by the values that the last run computed for them, and packs them again. */
export function commitUpdates({ device }: Gpu, { updates, repacks }: PreparedPlan): void {
  if (updates.length === 0) return;
  const encoder = device.createCommandEncoder();
  for (const { from, waiting, size } of updates) if (waiting) encoder.copyBufferToBuffer(from, 0, waiting, 0, size);
  for (const { from, waiting, to, size } of updates) encoder.copyBufferToBuffer(waiting ?? from, 0, to, 0, size);
  const changed = new Set(updates.map(({ variable }) => variable));
  encodeSteps(
    encoder,
    repacks.filter(({ variable }) => changed.has(variable)),
  );
  device.queue.submit([encoder.finish()]);
}

/** Packs variables for a plan, if they were not packed in the plan's orders before. */
export function packVariables({ device }: Gpu, { repacks }: PreparedPlan, before: Weights): void {
  const missing = repacks.filter(({ output }) => !before.has(output));
  if (missing.length === 0) return;
  const encoder = device.createCommandEncoder();
  encodeSteps(encoder, missing);
  device.queue.submit([encoder.finish()]);
}

/** Reads buffers. Returns tensors by the names given in `buffers`. */
export async function readBuffers(
  gpu: Gpu,
  buffers: readonly Omit<Reading, "offset">[],
): Promise<{ [name: string]: Tensor<"float32"> }> {
  const { device } = gpu;
  let total = 0;
  const readings = buffers.map((each): Reading => {
    const offset = total;
    total += 4 * sizeOf(each.shape);
    return { ...each, offset };
  });
  return guarded(gpu.shared, "reading variables", async (calls) => {
    const mapped = calls(() => readableBuffer(device, Math.max(16, total)));
    try {
      calls(() => {
        const encoder = device.createCommandEncoder();
        copyOutputs(encoder, { readings, mapped });
        device.queue.submit([encoder.finish()]);
      });
      return await readBack(calls, { readings, mapped });
    } finally {
      mapped.destroy();
    }
  });
}

function copyInputs(encoder: GPUCommandEncoder, { inputs: to, sizes }: PreparedPlan, inputs: readonly Given[]): void {
  for (const { name, buffer } of inputs) {
    if (buffer) encoder.copyBufferToBuffer(buffer, 0, to.get(name)!, 0, sizes.get(name));
  }
}

function copyOutputs(
  encoder: GPUCommandEncoder,
  { readings, mapped }: Pick<PreparedPlan, "readings" | "mapped">,
  outputs?: Run["outputs"],
): void {
  for (const { name, from, offset, shape } of readings) {
    const to = outputs ? outputs[name] : mapped;
    if (to) encoder.copyBufferToBuffer(from, 0, to, outputs ? 0 : offset, 4 * sizeOf(shape));
  }
}

/** Returns the tensors in a mapped buffer, once the device has copied them. */
export async function readBack(
  calls: Calls,
  { readings, mapped }: Pick<PreparedPlan, "readings" | "mapped">,
): Promise<{ [name: string]: Tensor<"float32"> }> {
  await answered(mapWhenDone(mapped, GPUMapMode.READ));
  return calls(() => {
    const bytes = mapped.getMappedRange();
    const answers = readings.map(({ name, shape, offset }): [string, Tensor<"float32">] => [
      name,
      tensorOf("float32", shape, new Float32Array(bytes.slice(offset, offset + 4 * sizeOf(shape)))),
    ]);
    mapped.unmap();
    return Object.fromEntries(answers);
  });
}
