import { type Numbers, numbersReader, sizeOf, UnsupportedError, type WorkOptions } from "@residual/core";
import type { Gpu } from "./device.ts";
import { roundToFloat16 } from "./float16.ts";
import { formatOf, isFloat16, isTextures, type Memory, TEXELS } from "./kernels/kernel.ts";
import type { Packing } from "./layout.ts";
import type { Lowered } from "./lower.ts";
import { paced } from "./pace.ts";
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
  for (const [name, held] of before) {
    if (constants.has(name)) all.set(name, held);
    else held.destroy();
  }
  const missing = [...constants]
    .filter(([name]) => !all.has(name))
    .toSorted(([, a], [, b]) => b.packing.length - a.packing.length); // a small one between two large would make a trip alone
  const way = wayUp(
    gpu,
    missing.map(([, { packing, memory }]) => sizeUp(packing, memory)),
  );
  using numbersOf = numbersReader();
  try {
    for (const [name, { constant, view, packing, memory }] of missing) {
      onProgress?.({ stage: "upload weights", done: all.size, total: constants.size });
      const to = held(gpu, memory, name, Math.max(16, bytesIn(memory, packing.length)));
      all.set(name, to);
      await way.fill(to, { packing, memory, numbers: () => view(numbersOf(constant.tensor)) });
    }
    await way.end();
  } catch (error) {
    for (const [name, held] of all) if (!before.has(name)) held.destroy();
    throw error;
  } finally {
    way.destroy();
  }
  return all;
}

/** Bytes of so many numbers. */
function bytesIn(memory: Memory, count: number): number {
  return (isFloat16(memory) ? 2 : 4) * count;
}

/** Bytes of a row of a texture. */
function rowIn(memory: Memory): number {
  return bytesIn(memory, 4 * TEXELS);
}

/** Bytes of a constant on its way up: whole rows of a texture. */
function sizeUp({ length }: Packing, memory: Memory): number {
  const row = rowIn(memory);
  return row * Math.max(1, Math.ceil(bytesIn(memory, length) / row));
}

interface Load {
  readonly packing: Packing;
  readonly memory: Memory;
  /** Read, perhaps from a file. */
  readonly numbers: () => Numbers;
}

/** What goes up at once at least: small constants share a trip. */
const TRIP = 4 * 2 ** 20;

/**
 * The way from the host to the device: two buffers, one of which is filled while the other is under way. They are filled again and again,
 * since pages that are new take longer than the copy. A constant goes in one piece: of a texture that is written in parts Dawn would
 * clear the whole first.
 */
function wayUp({ device }: Gpu, sizes: readonly number[]) {
  const total = sizes.reduce((sum, each) => sum + each, 0);
  const size = Math.max(4, Math.min(TRIP, total), ...sizes);
  const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
  const made = () => device.createBuffer({ size, usage, mappedAtCreation: true });
  let here: GPUBuffer | undefined;
  let there: GPUBuffer | undefined;
  let back: Promise<unknown> = Promise.resolve(); // of the one that is under way
  let encoder = device.createCommandEncoder();
  let used = 0;
  const send = async () => {
    const sent = here;
    if (!sent) return;
    sent.unmap();
    device.queue.submit([encoder.finish()]);
    encoder = device.createCommandEncoder();
    used = 0;
    const arrived = paced(() => sent.mapAsync(GPUMapMode.WRITE));
    arrived.catch(() => {}); // it is waited for below, unless something else fails first
    await back;
    [here, there, back] = [there, sent, arrived];
  };
  return {
    async fill(to: Held, { packing, memory, numbers }: Load): Promise<void> {
      const bytes = sizeUp(packing, memory);
      if (used + bytes > size) await send();
      here ??= made();
      const from = numbers();
      const place = here.getMappedRange(used, bytes);
      if (isFloat16(memory)) {
        const whole = new Float32Array(packing.length);
        packing.write(from, whole);
        roundToFloat16(whole, new Uint16Array(place).fill(0));
      } else packing.write(from, new Float32Array(place).fill(0));
      if ("createView" in to) {
        const source = { buffer: here, offset: used, bytesPerRow: rowIn(memory) };
        encoder.copyBufferToTexture(source, { texture: to }, [to.width, to.height]);
      } else encoder.copyBufferToBuffer(here, used, to, 0, to.size);
      used += bytes;
    },
    async end(): Promise<void> {
      await send();
      await back;
    },
    destroy(): void {
      here?.destroy();
      there?.destroy();
    },
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
  return isTextures(memory) ? storageTexture(gpu, memory, label, bytes) : storageBuffer(gpu, label, bytes);
}

function storageTexture({ device }: Gpu, memory: Memory, label: string, bytes: number): GPUTexture {
  const row = rowIn(memory);
  const height = Math.max(1, Math.ceil(bytes / row));
  const most = device.limits.maxTextureDimension2D;
  if (height > most) {
    throw new UnsupportedError(
      `webgpu: ${label} takes ${bytes} bytes, a texture of this adapter ${row * most} at most; a smaller image or batch may do`,
    );
  }
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
  return device.createTexture({ label, size: [TEXELS, height], format: formatOf(memory), usage });
}

function storageBuffer({ device }: Gpu, label: string, size: number): GPUBuffer {
  const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  if (size > most) {
    throw new UnsupportedError(
      `webgpu: ${label} takes ${size} bytes, this adapter binds ${most} at most; a smaller image or batch may do`,
    );
  }
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  return device.createBuffer({ label, size, usage });
}
