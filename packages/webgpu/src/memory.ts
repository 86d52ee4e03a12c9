import { sizeOf, UnsupportedError, type WorkOptions } from "@residual/core";
import type { Gpu } from "./device.ts";
import type { Numbers } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { bytesOf, type Dispatch, type Output, type Plan, type Storage } from "./plan.ts";

/** A dispatch with all that it takes, made once. */
interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: Dispatch["workgroups"];
}

/** An output, and where its numbers are put to be read. */
interface Reading extends Output {
  readonly name: string;
  readonly from: GPUBuffer;
  readonly offset: number;
}

/** A plan for one batch, with its memory on the device. */
export interface Ready {
  readonly batch: number;
  readonly plan: Plan;
  readonly inputs: ReadonlyMap<string, GPUBuffer>;
  /** Bytes of each input. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly steps: readonly Step[];
  readonly readings: readonly Reading[];
  /** What the host maps. */
  readonly mapped: GPUBuffer;
  readonly destroy: () => void;
}

/** The constants of a plan on the device, as float32, each rounded once; what is there already is kept, and what is not needed let go. */
export async function upload(
  gpu: Gpu,
  { constants }: Lowered,
  before: ReadonlyMap<string, GPUBuffer> = new Map(),
  onProgress?: WorkOptions["onProgress"],
): Promise<ReadonlyMap<string, GPUBuffer>> {
  const buffers = new Map<string, GPUBuffer>();
  for (const [name, buffer] of before) {
    if (constants.has(name)) buffers.set(name, buffer);
    else buffer.destroy();
  }
  const numbersOf = folding();
  let underWay = 0; // bytes that the queue holds a copy of
  for (const [name, { constant, view, packing }] of constants) {
    if (buffers.has(name)) continue;
    onProgress?.({ stage: "upload weights", done: buffers.size, total: constants.size });
    const buffer = storageBuffer(gpu, name, Math.max(16, 4 * packing.length), true);
    packing.write(view(numbersOf(constant.tensor)), new Float32Array(buffer.getMappedRange()));
    buffer.unmap();
    buffers.set(name, buffer);
    underWay += buffer.size;
    if (underWay < MOST_UNDER_WAY) continue;
    gpu.device.queue.submit([]);
    await gpu.device.queue.onSubmittedWorkDone();
    underWay = 0;
  }
  return buffers;
}

/** About the largest weights of ResNet: what is copied at once adds to the peak of memory. */
const MOST_UNDER_WAY = 8 * 2 ** 20;

/**
 * A tensor's numbers, good until the next is asked for. Weights that a batch norm is folded into would keep their product, in
 * float64, once they are asked for it; here all share one piece of memory.
 */
function folding(): (tensor: Numbers) => Numbers {
  let products = new Float64Array();
  return (tensor) => {
    if (!tensor.scaled) return tensor;
    const { of, gain } = tensor.scaled;
    const [from, row] = [of.data, of.data.length / gain.length];
    if (products.length < from.length) products = new Float64Array(from.length);
    for (let c = 0, i = 0; c < gain.length; c++) {
      const factor = gain[c]!;
      for (const end = i + row; i < end; i++) products[i] = from[i]! * factor;
    }
    return { dtype: "float64", shape: tensor.shape, data: products.subarray(0, from.length) };
  };
}

/** Memory, pipelines and bind groups of a plan. */
export async function prepare(
  gpu: Gpu,
  { plan, inputs: shapes }: Lowered,
  batch: number,
  constants: ReadonlyMap<string, GPUBuffer>,
): Promise<Ready> {
  const { device } = gpu;
  const slots = plan.slots.map((bytes, i) => storageBuffer(gpu, `values ${i}`, bytes));
  const inputs = new Map([...shapes].map(([name, shape]) => [name, storageBuffer(gpu, name, bytesOf(shape))]));
  const bufferAt = (storage: Storage): GPUBuffer => {
    if (storage.kind === "value") return slots[plan.slotOf[storage.id]!]!;
    return (storage.kind === "constant" ? constants : inputs).get(storage.name)!;
  };
  const params: GPUBuffer[] = [];
  const steps = plan.dispatches.map(async (dispatch) => {
    const { stepParams, buffers } = bindingsOf(device, dispatch, bufferAt, slots[plan.slotOf[dispatch.output]!]!);
    params.push(stepParams);
    return stepOf(gpu, dispatch, buffers);
  });
  let total = 0;
  const readings = Object.entries(plan.outputs).map(([name, output]): Reading => {
    const offset = total;
    total += bytesOf(output.shape);
    return { ...output, name, from: bufferAt(output.storage), offset };
  });
  const mapped = device.createBuffer({ size: total, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const all = [...slots, ...inputs.values(), ...params, mapped];
  const destroy = () => {
    for (const buffer of all) buffer.destroy();
  };
  const sizes = new Map([...shapes].map(([name, shape]) => [name, 4 * sizeOf(shape)]));
  return { batch, plan, inputs, sizes, steps: await Promise.all(steps), readings, mapped, destroy };
}

function bindingsOf(
  device: GPUDevice,
  { inputs, params }: Dispatch,
  bufferAt: (storage: Storage) => GPUBuffer,
  output: GPUBuffer,
): { readonly stepParams: GPUBuffer; readonly buffers: readonly GPUBuffer[] } {
  const stepParams = device.createBuffer({
    size: params.byteLength,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(stepParams, 0, params);
  return { stepParams, buffers: [stepParams, ...inputs.map(bufferAt), output] };
}

async function stepOf(gpu: Gpu, { kernel, workgroups }: Dispatch, buffers: readonly GPUBuffer[]): Promise<Step> {
  const pipeline = await gpu.pipeline(kernel);
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return { pipeline, group, workgroups };
}

function storageBuffer({ device }: Gpu, label: string, size: number, mappedAtCreation = false): GPUBuffer {
  const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (size > most) {
    throw new UnsupportedError(
      `webgpu: ${label} takes ${size} bytes, this adapter binds ${most} at most; a smaller image or batch may do`,
    );
  }
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  return device.createBuffer({ label, size, usage, mappedAtCreation });
}
