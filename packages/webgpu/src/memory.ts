import { sizeOf, UnsupportedError, type WorkOptions } from "@residual/core";
import type { Gpu } from "./device.ts";
import { type Memory, TEXELS } from "./kernels/kernel.ts";
import type { Numbers } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { bytesOf, type Dispatch, type Output, type Plan, type Storage } from "./plan.ts";

/** What lies on the device. */
export type Held = GPUBuffer | GPUTexture;

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
  before: ReadonlyMap<string, Held> = new Map(),
  onProgress?: WorkOptions["onProgress"],
): Promise<ReadonlyMap<string, Held>> {
  const all = new Map<string, Held>();
  using made = unlessKept();
  for (const [name, held] of before) {
    if (constants.has(name)) all.set(name, held);
    else held.destroy();
  }
  const numbersOf = folding();
  const { device } = gpu;
  let encoder = device.createCommandEncoder();
  let underWay: GPUBuffer[] = []; // that textures are filled from
  let bytesUnderWay = 0;
  const finish = async () => {
    device.queue.submit([encoder.finish()]);
    for (const buffer of underWay) buffer.destroy();
    await device.queue.onSubmittedWorkDone();
    encoder = device.createCommandEncoder();
    [underWay, bytesUnderWay] = [[], 0];
  };
  for (const [name, { constant, view, packing, memory }] of constants) {
    if (all.has(name)) continue;
    onProgress?.({ stage: "upload weights", done: all.size, total: constants.size });
    const bytes = Math.max(16, 4 * packing.length);
    const write = (to: ArrayBuffer) => packing.write(view(numbersOf(constant.tensor)), new Float32Array(to));
    if (memory === "buffers") {
      const buffer = made.add(storageBuffer(gpu, name, bytes, true));
      filled(buffer, write);
      all.set(name, buffer);
    } else {
      const texture = made.add(storageTexture(gpu, name, bytes));
      all.set(name, texture);
      const { width, height } = texture;
      const [bytesPerRow, usage] = [16 * width, GPUBufferUsage.COPY_SRC];
      const buffer = made.add(device.createBuffer({ size: bytesPerRow * height, usage, mappedAtCreation: true }));
      filled(buffer, write);
      encoder.copyBufferToTexture({ buffer, bytesPerRow }, { texture }, [width, height]);
      underWay.push(buffer);
    }
    bytesUnderWay += bytes;
    if (bytesUnderWay >= MOST_UNDER_WAY) await finish();
  }
  if (bytesUnderWay > 0) await finish();
  made.keep();
  return all;
}

function filled(buffer: GPUBuffer, write: (to: ArrayBuffer) => void): void {
  write(buffer.getMappedRange());
  buffer.unmap();
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
  constants: ReadonlyMap<string, Held>,
): Promise<Ready> {
  const { device } = gpu;
  using made = unlessKept();
  const slots = plan.slots.map(({ memory, bytes }, i) => made.add(held(gpu, memory, `values ${i}`, bytes)));
  const inputs = new Map(
    [...shapes].map(([name, shape]) => [name, made.add(storageBuffer(gpu, name, bytesOf(shape)))]),
  );
  const placeOf = (storage: Storage): Held => {
    if (storage.kind === "value") return slots[plan.slotOf[storage.id]!]!;
    return (storage.kind === "constant" ? constants : inputs).get(storage.name)!;
  };
  const steps = plan.dispatches.map(async (dispatch) => {
    const stepParams = made.add(paramsOf(device, dispatch));
    const operands = [...dispatch.inputs.map(placeOf), slots[plan.slotOf[dispatch.output]!]!];
    return stepOf(gpu, dispatch, [stepParams, ...operands]);
  });
  let total = 0;
  const readings = Object.entries(plan.outputs).map(([name, output]): Reading => {
    const offset = total;
    total += bytesOf(output.shape);
    return { ...output, name, from: placeOf(output.storage) as GPUBuffer, offset }; // outputs are in the host's order
  });
  const mapped = made.add(
    device.createBuffer({ size: total, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
  );
  const sizes = new Map([...shapes].map(([name, shape]) => [name, 4 * sizeOf(shape)]));
  const ready = { batch, plan, inputs, sizes, steps: await Promise.all(steps), readings, mapped };
  return { ...ready, destroy: made.keep() };
}

/** What is made on the way to something: destroyed where that comes to nothing, and else by what `keep` gives. */
function unlessKept(): Disposable & { add<T extends Held>(each: T): T; keep(): () => void } {
  const all: Held[] = [];
  let isKept = false;
  const destroy = () => {
    for (const each of all) each.destroy();
  };
  return {
    add(each) {
      all.push(each);
      return each;
    },
    keep() {
      isKept = true;
      return destroy;
    },
    [Symbol.dispose]() {
      if (!isKept) destroy();
    },
  };
}

function paramsOf(device: GPUDevice, { params }: Dispatch): GPUBuffer {
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: params.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, params);
  return buffer;
}

async function stepOf(gpu: Gpu, { kernel, workgroups }: Dispatch, bound: readonly Held[]): Promise<Step> {
  const pipeline = await gpu.pipeline(kernel);
  const entries = bound.map((each, binding) => ({
    binding,
    resource: "createView" in each ? each.createView() : { buffer: each },
  }));
  const group = gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return { pipeline, group, workgroups };
}

function held(gpu: Gpu, memory: Memory, label: string, bytes: number): Held {
  return memory === "textures" ? storageTexture(gpu, label, bytes) : storageBuffer(gpu, label, bytes);
}

function storageTexture({ device }: Gpu, label: string, bytes: number): GPUTexture {
  const height = Math.max(1, Math.ceil(bytes / (16 * TEXELS)));
  const most = device.limits.maxTextureDimension2D;
  if (height > most) {
    throw new UnsupportedError(
      `webgpu: ${label} takes ${bytes} bytes, a texture of this adapter ${16 * TEXELS * most} at most; a smaller image or batch may do`,
    );
  }
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
  return device.createTexture({ label, size: [TEXELS, height], format: "rgba32float", usage });
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
