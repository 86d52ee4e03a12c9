import {
  type Numbers,
  numbersReader,
  type Rows,
  roundToFloat16,
  sizeOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import type { Uploaded } from "./builder.ts";
import type { Gpu } from "./device.ts";
import { formatOf, isFloat16, isTextures, type Memory, TEXELS } from "./kernels/kernel.ts";
import type { Lowered } from "./lower.ts";
import { bytesOf, type Dispatch, type Output, type Plan, type Storage } from "./plan.ts";
import { napping } from "./wait.ts";

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

/** Memory for the constants of a plan, not filled yet; what is there already is kept, and what is not needed let go. */
export function allocate(
  gpu: Gpu,
  { constants }: Lowered,
  before: ReadonlyMap<string, Held> = new Map(),
): ReadonlyMap<string, Held> {
  using made = unlessKept();
  for (const [name, each] of before) if (!constants.has(name)) each.destroy();
  const all = [...constants].map(([name, { packing, memory }]): [string, Held] => {
    const bytes = Math.max(16, bytesIn(memory, packing.length));
    return [name, before.get(name) ?? made.add(held(gpu, memory, name, bytes))];
  });
  made.keep();
  return new Map(all);
}

/** Numbers of constants to the device, as float32, each rounded once. Those that were there before are left as they are. */
export async function upload(
  gpu: Gpu,
  { constants }: Lowered,
  to: ReadonlyMap<string, Held>,
  { before, signal, onProgress }: WorkOptions & { readonly before?: ReadonlyMap<string, Held> } = {},
): Promise<void> {
  const loads = [...constants]
    .filter(([name]) => !before?.has(name))
    .map(([name, each]) => ({ ...each, to: to.get(name)!, parts: partsOf(each) }))
    .toSorted((a, b) => b.packing.length - a.packing.length); // a small one between two large would make a trip alone
  const way = wayUp(
    gpu,
    loads.flatMap(({ parts, memory }) => parts.map(({ length }) => sizeUp(length, memory))),
  );
  using numbersOf = numbersReader();
  try {
    for (const [i, { constant, view, parts, ...load }] of loads.entries()) {
      onProgress?.({ stage: "upload weights", done: constants.size - loads.length + i, total: constants.size });
      throwIfAborted(signal);
      for (const part of parts) await way.fill(load, part, () => view(numbersOf(constant.tensor, part.rows)));
    }
    await way.end();
  } finally {
    way.destroy();
  }
}

/** Bytes of so many numbers. */
function bytesIn(memory: Memory, count: number): number {
  return (isFloat16(memory) ? 2 : 4) * count;
}

/** Bytes of a row of a texture. */
function rowIn(memory: Memory): number {
  return bytesIn(memory, 4 * TEXELS);
}

/** Numbers that can be written to it at once: a row of a texture. */
function grainOf(memory: Memory): number {
  return isTextures(memory) ? 4 * TEXELS : 4;
}

/** Bytes of numbers on their way up: whole grains. */
function sizeUp(length: number, memory: Memory): number {
  const grain = grainOf(memory);
  return bytesIn(memory, grain * Math.max(1, Math.ceil(length / grain)));
}

/** A part of a constant: some rows of it (all where not given), and the numbers that they are packed to. */
interface Part {
  readonly rows?: Rows;
  readonly length: number;
  /** In each plane of the packing. */
  readonly start: number;
}

/** Bytes of a part at most, unless a block has more: what is read for it, and what it is packed to, are to fit into a core's own cache. */
const PART = 2 ** 20;

/** Blocks whose stretches are whole grains together; all at once where there are none. */
function partsOf({ constant, packing: { length, block, planes }, memory }: Uploaded): readonly Part[] {
  const [count = 1] = constant.tensor.shape;
  const blocks = Math.ceil(count / block);
  const stretch = length / planes / blocks;
  const grain = grainOf(memory);
  let step = 1;
  while ((step * stretch) % grain !== 0 && step < blocks) step++;
  const isWhole = step >= blocks || (planes > 1 && (blocks * stretch) % grain !== 0);
  const many = step * Math.max(1, Math.floor(PART / (4 * step * stretch * planes)));
  if (isWhole || many >= blocks) return [{ length, start: 0 }];
  return Array.from({ length: Math.ceil(blocks / many) }, (_, i) => {
    const [first, end] = [i * many, Math.min((i + 1) * many, blocks)];
    const rows = { first: first * block, end: Math.min(end * block, count) };
    return { rows, length: planes * (end - first) * stretch, start: first * stretch };
  });
}

/** Bytes that go up at once at least: small constants share a trip. */
const TRIP = 2 ** 20;
/** One is filled while others are under way. */
const BUFFERS = 4;

/**
 * The way from the host to the device: a few buffers, filled again and again, since pages that are new take longer than the copy.
 */
function wayUp({ device }: Gpu, sizes: readonly number[]) {
  const total = sizes.reduce((sum, each) => sum + each, 0);
  const size = Math.max(4, Math.min(TRIP, total), ...sizes);
  const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
  const made = () => device.createBuffer({ size, usage, mappedAtCreation: true });
  const all: GPUBuffer[] = [];
  const underWay: { readonly buffer: GPUBuffer; readonly back: Promise<unknown> }[] = [];
  let here: GPUBuffer | undefined;
  let encoder = device.createCommandEncoder();
  let used = 0;
  const send = () => {
    const buffer = here;
    if (!buffer) return;
    buffer.unmap();
    device.queue.submit([encoder.finish()]);
    encoder = device.createCommandEncoder();
    [here, used] = [undefined, 0];
    const back = buffer.mapAsync(GPUMapMode.WRITE);
    back.catch(() => {}); // it is waited for below, unless something else fails first
    underWay.push({ buffer, back });
  };
  const next = async (): Promise<GPUBuffer> => {
    if (all.length < BUFFERS) {
      const buffer = made();
      all.push(buffer);
      return buffer;
    }
    const { buffer, back } = underWay.shift()!;
    await napping(back);
    return buffer;
  };
  const copy = (to: Held, memory: Memory, from: number, at: number, count: number) => {
    if ("createView" in to) {
      const row = rowIn(memory);
      const source = { buffer: here!, offset: from, bytesPerRow: row };
      const [y, rows] = [at / grainOf(memory), Math.ceil(count / grainOf(memory))];
      encoder.copyBufferToTexture(source, { texture: to, origin: [0, y] }, [TEXELS, rows]);
    } else {
      const [offset, bytes] = [bytesIn(memory, at), sizeUp(count, memory)];
      encoder.copyBufferToBuffer(here!, from, to, offset, Math.min(bytes, to.size - offset));
    }
  };
  return {
    async fill(
      { to, packing, memory }: Pick<Uploaded, "packing" | "memory"> & { readonly to: Held },
      { rows, length, start }: Part,
      numbers: () => Numbers, // read, perhaps from a file
    ): Promise<void> {
      const bytes = sizeUp(length, memory);
      if (used + bytes > size) send();
      here ??= await next();
      const from = numbers();
      const place = here.getMappedRange(used, bytes);
      if (isFloat16(memory)) {
        const wide = new Float32Array(length);
        packing.write(from, wide);
        const narrow = new Uint16Array(place);
        roundToFloat16(wide, narrow);
        narrow.fill(0, length);
      } else {
        const all = new Float32Array(place);
        packing.write(from, all.subarray(0, length));
        all.fill(0, length);
      }
      const planes = rows ? packing.planes : 1; // whole, they lie as they are to
      const [stretch, plane] = [length / planes, packing.length / planes];
      for (let i = 0; i < planes; i++) {
        copy(to, memory, used + bytesIn(memory, i * stretch), i * plane + start, stretch);
      }
      used += bytes;
    },
    async end(): Promise<void> {
      send();
      for (const { back } of underWay) await napping(back);
    },
    destroy(): void {
      for (const buffer of all) buffer.destroy();
    },
  };
}

/** A plan with its constants, for one image; they are destroyed together. */
export async function loaded(gpu: Gpu, lowered: Lowered): Promise<Ready> {
  const constants = allocate(gpu, lowered);
  const destroy = () => {
    for (const each of constants.values()) each.destroy();
  };
  try {
    await upload(gpu, lowered, constants);
    const ready = await napping(prepare(gpu, lowered, 1, constants));
    return {
      ...ready,
      destroy: () => {
        ready.destroy();
        destroy();
      },
    };
  } catch (error) {
    destroy();
    throw error;
  }
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
  const resources = new Map<Held, GPUBindingResource>(); // one for each, however often it is bound
  const resourceOf = (of: Held): GPUBindingResource => {
    const resource = resources.get(of) ?? ("createView" in of ? of.createView() : { buffer: of });
    resources.set(of, resource);
    return resource;
  };
  const steps = plan.dispatches.map(async (dispatch) => {
    const stepParams = made.add(paramsOf(device, dispatch));
    const operands = [...dispatch.inputs.map(placeOf), slots[plan.slotOf[dispatch.output]!]!];
    const { kernel, workgroups } = dispatch;
    const pipeline = await gpu.pipeline(kernel);
    const entries = [stepParams, ...operands].map((each, binding) => ({ binding, resource: resourceOf(each) }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, group, workgroups };
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
