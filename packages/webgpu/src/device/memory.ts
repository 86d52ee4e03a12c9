import {
  type RowRange,
  readRows,
  roundToFloat16,
  rowSize,
  rowsIn,
  sizeOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { formatOf, isFloat16, isTextures, type Memory, TEXELS } from "../kernels/kernel.ts";
import type { Uploaded } from "../lower/builder.ts";
import type { Lowered } from "../lower/lower.ts";
import { dense } from "../lower/packing.ts";
import { bytesOf, keyOf, type Launch, type Output, type Plan, type Storage } from "../lower/plan.ts";
import type { Gpu } from "./gpu.ts";
import { answered, type Calls, guarded } from "./guard.ts";
import { checkConstant } from "./range.ts";
import { napping } from "./wait.ts";

/** Memory on the device. */
export type Allocation = GPUBuffer | GPUTexture;

/** A dispatch with its pipeline and bind group, made once. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: Launch["workgroups"];
}

/** A dispatch that packs a variable into a kernel's order. */
interface RepackStep extends Step {
  readonly variable: string;
  /** The key of the packed variable. */
  readonly output: string;
}

/** Numbers to copy to the buffer that the host maps, at an offset in bytes. */
export interface Reading {
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: GPUBuffer;
  readonly offset: number;
}

/** A copy to a variable. `size` is in bytes. */
interface Update {
  readonly variable: string;
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  readonly size: number;
  /** A temporary buffer for numbers that come from another variable, which the same update may replace. */
  readonly waiting?: GPUBuffer;
}

/** A plan for one batch, with its memory on the device. */
export interface PreparedPlan {
  readonly batch: number;
  readonly plan: Plan;
  readonly kernels: Lowered["kernels"];
  readonly layers: Lowered["layers"];
  readonly placeOf: (storage: Storage) => Allocation;
  readonly inputs: ReadonlyMap<string, GPUBuffer>;
  /** Bytes of each input. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly steps: readonly Step[];
  readonly repacks: readonly RepackStep[];
  readonly readings: readonly Reading[];
  readonly updates: readonly Update[];
  /** The buffer that the host maps to read outputs. */
  readonly mapped: GPUBuffer;
  readonly destroy: () => void;
}

/** Memory that outlives a run: constants and packed variables, by the keys of their storages. */
export type Weights = ReadonlyMap<string, Allocation>;

/**
 * Allocates memory for constants and packed variables. Memory in `before` is kept if it is still needed, and destroyed
 * otherwise. New memory is not filled yet.
 */
export function allocateWeights(gpu: Gpu, { constants, plan }: Lowered, before: Weights = new Map()): Weights {
  const wanted = [
    ...[...constants].map(
      ([
        name,
        {
          packing: { length },
          memory,
        },
      ]) => {
        const bytes = Math.max(16, bytesIn(memory, 4 * Math.ceil(length / 4)));
        return { storage: { kind: "constant", name } as const, memory, bytes };
      },
    ),
    ...plan.repacks.map(({ output: name, memory, bytes }) => ({
      storage: { kind: "packed", name } as const,
      memory,
      bytes,
    })),
  ].map((each) => ({ ...each, key: keyOf(each.storage) }));
  const kept = new Set(wanted.map(({ key }) => key));
  for (const [key, each] of before) if (!kept.has(key)) each.destroy();
  using made = new Allocations();
  const all = wanted.map(({ key, storage, memory, bytes }): [string, Allocation] => [
    key,
    before.get(key) ?? made.add(allocated(gpu, memory, storage.name, bytes)),
  ]);
  made.keep();
  return new Map(all);
}

/** Allocates memory for variables, by their names. It is not filled yet. */
export function allocateVariables(gpu: Gpu, { variables }: Lowered): ReadonlyMap<string, GPUBuffer> {
  using made = new Allocations();
  const all = [...variables].map(
    ([name, { shape }]) => [name, made.add(storageBuffer(gpu, name, bytesOf(shape)))] as const,
  );
  made.keep();
  return new Map(all);
}

/** Numbers to upload, and their memory on the device. */
export interface Upload extends Uploaded {
  /** The name of the constant or the variable. */
  readonly name: string;
  readonly to: Allocation;
}

/** Uploads for the constants of a plan that were not on the device before. */
export function constantUploads({ constants }: Lowered, to: Weights, before: Weights = new Map()): readonly Upload[] {
  return [...constants].flatMap(([name, each]) => {
    const key = keyOf({ kind: "constant", name });
    return before.has(key) ? [] : [{ ...each, name: name.replace(/:\d+( .*)?$/, ""), to: to.get(key)! }];
  });
}

/** Uploads for the initial numbers of variables. */
export function variableUploads({ variables }: Lowered, to: ReadonlyMap<string, GPUBuffer>): readonly Upload[] {
  return [...variables].map(([name, { shape, source }]) => ({
    name,
    source,
    packing: dense(shape),
    memory: "buffers",
    to: to.get(name)!,
  }));
}

/** Reads numbers as float32, packs them, and copies them to the device. */
export async function upload(
  gpu: Gpu,
  calls: Calls,
  uploads: readonly Upload[],
  { signal, onProgress }: WorkOptions = {},
): Promise<void> {
  // sorted by length, so that small constants share a staging buffer
  const sorted = uploads.toSorted((a, b) => b.packing.length - a.packing.length);
  const pieces = sorted.flatMap((load, i) => chunksOf(load).map((chunk) => ({ load, chunk, i })));
  const uploader = new StagingUploader(
    gpu.device,
    calls,
    pieces.map(({ load: { memory }, chunk: { length } }) => stagingBytes(length, memory)),
  );
  const countOf = ({ load: { source }, chunk: { rows } }: (typeof pieces)[number]) =>
    (rows.end - rows.first) * rowSize(source);
  const scratch = new Float32Array(Math.max(0, ...pieces.map(countOf)));
  try {
    let told = -1;
    for (const piece of pieces) {
      const { load, chunk, i } = piece;
      if (i > told) onProgress?.({ stage: "upload weights", done: i, total: sorted.length });
      told = i;
      throwIfAborted(signal);
      await uploader.add(load, chunk, scratch.subarray(0, countOf(piece)));
    }
    await uploader.end();
  } finally {
    uploader.destroy();
  }
}

/** Bytes of `count` numbers. */
export function bytesIn(memory: Memory, count: number): number {
  return (isFloat16(memory) ? 2 : 4) * count;
}

export function bytesPerTextureRow(memory: Memory): number {
  return bytesIn(memory, 4 * TEXELS);
}

/**
 * The unit of writes, in numbers: a row of a texture, or a vec4 of a buffer. Writes begin and end at multiples of it.
 */
function rowGranularity(memory: Memory): number {
  return isTextures(memory) ? 4 * TEXELS : 4;
}

/** Bytes that `length` numbers take in a staging buffer, padded to the unit of writes. */
function stagingBytes(length: number, memory: Memory): number {
  const granularity = rowGranularity(memory);
  return bytesIn(memory, granularity * Math.max(1, Math.ceil(length / granularity)));
}

/** Some rows of a constant. `length` is the count of their packed numbers. */
interface Chunk {
  readonly rows: RowRange;
  readonly length: number;
  /** The index of the first packed number in each plane of the packing. */
  readonly start: number;
  /**
   * The planes that the packed numbers are divided among. 1 for a whole constant, since its numbers are already in the
   * order of the device's memory.
   */
  readonly planes: number;
}

/**
 * The maximum bytes of a chunk, unless one block has more. The numbers read and the packed numbers should fit into a
 * core's own cache.
 */
const CHUNK_BYTES = 2 ** 19;

/**
 * Splits a constant into chunks whose packed numbers fill whole units of writes. If no number of blocks does so, the
 * constant is one chunk.
 */
function chunksOf({ source, packing: { length, block, planes }, memory }: Uploaded): readonly Chunk[] {
  const count = rowsIn(source);
  const blocks = Math.ceil(count / block);
  const share = length / planes / blocks; // of a block, in each plane
  const granularity = rowGranularity(memory);
  let step = 1;
  while ((step * share) % granularity !== 0 && step < blocks) step++;
  const isWhole = step >= blocks || (planes > 1 && (blocks * share) % granularity !== 0);
  const many = step * Math.max(1, Math.floor(CHUNK_BYTES / (4 * step * share * planes)));
  if (isWhole || many >= blocks) return [{ rows: { first: 0, end: count }, length, start: 0, planes: 1 }];
  return Array.from({ length: Math.ceil(blocks / many) }, (_, i) => {
    const [first, end] = [i * many, Math.min((i + 1) * many, blocks)];
    const rows = { first: first * block, end: Math.min(end * block, count) };
    return { rows, length: planes * (end - first) * share, start: first * share, planes };
  });
}

/** Bytes of a staging buffer, which small constants share. Larger if a chunk is larger, smaller if all uploads are. */
const STAGING_BYTES = 2 ** 20;
/**
 * The number of staging buffers. One is filled, in about a millisecond, while the device copies the others. Deno takes
 * 10 ms to map a buffer that is ready.
 */
const STAGING_BUFFERS = 8;

/** Uploads numbers through a few staging buffers, which are reused: to touch new pages takes longer than the copy. */
class StagingUploader {
  readonly #device: GPUDevice;
  readonly #size: number;
  readonly #all: GPUBuffer[] = [];
  readonly #calls: Calls;
  readonly #underWay: { readonly buffer: GPUBuffer; readonly back: Promise<unknown> }[] = [];
  #mapped: GPUBuffer | undefined;
  #encoder: GPUCommandEncoder | undefined;
  /** Bytes used in the mapped buffer. */
  #used = 0;

  /** `sizes`: the bytes of each chunk that will be added. */
  constructor(device: GPUDevice, calls: Calls, sizes: readonly number[]) {
    const total = sizes.reduce((sum, each) => sum + each, 0);
    this.#device = device;
    this.#calls = calls;
    this.#size = Math.max(4, Math.min(STAGING_BYTES, total), ...sizes);
  }

  /** Reads the numbers of a chunk into `numbers`, and packs them while they are in the CPU's cache. */
  async add(upload: Upload, chunk: Chunk, numbers: Float32Array): Promise<void> {
    const bytes = stagingBytes(chunk.length, upload.memory);
    if (this.#used + bytes > this.#size) this.#send();
    const mapped = this.#mapped ?? (await this.#next());
    this.#mapped = mapped;
    await readRows(upload.source, numbers, chunk.rows);
    if (isFloat16(upload.memory)) checkConstant(upload.name, numbers);
    this.#calls(() => this.#write(mapped, upload, chunk, numbers));
    this.#used += bytes;
  }

  /** Packs numbers into a mapped buffer, and encodes their copies to the device. */
  #write(
    mapped: GPUBuffer,
    { to, packing, memory }: Upload,
    { length, start, planes }: Chunk,
    numbers: Float32Array,
  ): void {
    const place = mapped.getMappedRange(this.#used, stagingBytes(length, memory));
    if (isFloat16(memory)) {
      const wide = new Float32Array(length);
      packing.write(numbers, wide);
      const narrow = new Uint16Array(place);
      roundToFloat16(wide, narrow);
      narrow.fill(0, length);
    } else {
      const all = new Float32Array(place);
      packing.write(numbers, all.subarray(0, length));
      all.fill(0, length);
    }
    const [share, plane] = [length / planes, packing.length / planes];
    for (let i = 0; i < planes; i++) {
      this.#copy(mapped, to, memory, this.#used + bytesIn(memory, i * share), i * plane + start, share);
    }
  }

  #copy(buffer: GPUBuffer, to: Allocation, memory: Memory, offset: number, at: number, count: number): void {
    this.#encoder ??= this.#device.createCommandEncoder();
    if ("createView" in to) {
      const granularity = rowGranularity(memory);
      const source = { buffer, offset, bytesPerRow: bytesPerTextureRow(memory) };
      const [y, rows] = [at / granularity, Math.ceil(count / granularity)];
      this.#encoder.copyBufferToTexture(source, { texture: to, origin: [0, y] }, [TEXELS, rows]);
    } else {
      const [start, bytes] = [bytesIn(memory, at), stagingBytes(count, memory)];
      this.#encoder.copyBufferToBuffer(buffer, offset, to, start, Math.min(bytes, to.size - start));
    }
  }

  #send(): void {
    const [buffer, encoder] = [this.#mapped, this.#encoder];
    if (!buffer) return;
    const back = this.#calls(() => {
      buffer.unmap();
      if (encoder) this.#device.queue.submit([encoder.finish()]);
      return buffer.mapAsync(GPUMapMode.WRITE);
    });
    back.catch(() => {}); // awaited in #next or end, unless another call fails first
    this.#underWay.push({ buffer, back });
    this.#encoder = undefined;
    this.#mapped = undefined;
    this.#used = 0;
  }

  async #next(): Promise<GPUBuffer> {
    if (this.#all.length < STAGING_BUFFERS) {
      const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
      const buffer = this.#calls(() => this.#device.createBuffer({ size: this.#size, usage, mappedAtCreation: true }));
      this.#all.push(buffer);
      return buffer;
    }
    const { buffer, back } = this.#underWay.shift()!;
    await napping(answered(back));
    return buffer;
  }

  /** Sends the last buffer, and waits until the device has copied all. */
  async end(): Promise<void> {
    this.#send();
    for (const { back } of this.#underWay) await napping(answered(back));
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
  }
}

/** Prepares a plan for one image and uploads its constants. `destroy` frees both. For graphs without variables. */
export async function loadPlan(gpu: Gpu, lowered: Lowered): Promise<PreparedPlan> {
  const made: (() => void)[] = [];
  const destroy = () => {
    for (const each of made) each();
  };
  try {
    return await guarded(gpu.shared, "a kernel", async (calls) => {
      const weights = calls(() => allocateWeights(gpu, lowered));
      made.push(...[...weights.values()].map((each) => () => each.destroy()));
      await upload(gpu, calls, constantUploads(lowered, weights));
      const prepared = await napping(preparePlan(gpu, calls, lowered, 1, { weights, variables: new Map() }));
      made.push(prepared.destroy);
      return { ...prepared, destroy };
    });
  } catch (error) {
    destroy();
    throw error;
  }
}

/** Memory that a model's plans for all batches share. */
export interface SharedMemory {
  readonly weights: Weights;
  readonly variables: ReadonlyMap<string, GPUBuffer>;
}

/** Allocates a plan's memory, compiles its pipelines, and makes its bind groups. */
export async function preparePlan(
  gpu: Gpu,
  calls: Calls,
  lowered: Lowered,
  batch: number,
  shared: SharedMemory,
): Promise<PreparedPlan> {
  const { plan, kernels, layers } = lowered;
  using made = new Allocations();
  const memory = calls(() => allocatePlan(gpu, lowered, shared, made));
  const compiling = [...plan.dispatches, ...plan.repacks].map(({ kernel }) =>
    gpu.shared.pipeline(kernels.get(kernel)!),
  );
  const pipelines = await Promise.all(compiling);
  return calls(() => {
    const steps = stepsOf(gpu.device, memory.bindings, pipelines);
    const [own, packing] = [steps.slice(0, plan.dispatches.length), steps.slice(plan.dispatches.length)];
    const repacks = plan.repacks.map(
      ({ variable, output }, i): RepackStep => ({
        ...packing[i]!,
        variable,
        output: keyOf({ kind: "packed", name: output }),
      }),
    );
    const { bindings: _, ...rest } = memory;
    return { batch, plan, kernels, layers, ...rest, steps: own, repacks, destroy: made.keep() };
  });
}

/** The buffers and textures that a launch binds, in order. */
interface Bindings {
  readonly bound: readonly Allocation[];
  readonly workgroups: Launch["workgroups"];
}

type PlanMemory = Pick<PreparedPlan, "placeOf" | "inputs" | "sizes" | "readings" | "updates" | "mapped"> & {
  /** The bindings of dispatches, then those of repacks. */
  readonly bindings: readonly Bindings[];
};

/** Allocates the memory of a plan. Every allocation is added to `made`. */
function allocatePlan(
  gpu: Gpu,
  { plan, inputs: shapes }: Lowered,
  { weights, variables }: SharedMemory,
  made: Allocations,
): PlanMemory {
  const { device } = gpu;
  const slots = plan.slots.map(({ memory, bytes }, i) => made.add(allocated(gpu, memory, `values ${i}`, bytes)));
  const inputs = new Map(
    [...shapes].map(([name, shape]) => [name, made.add(storageBuffer(gpu, name, bytesOf(shape)))]),
  );
  const placeOf = (storage: Storage): Allocation => {
    if (storage.kind === "value") return slots[plan.slotOf[storage.id]!]!;
    if (storage.kind === "input") return inputs.get(storage.name)!;
    if (storage.kind === "variable") return variables.get(storage.name)!;
    return weights.get(keyOf(storage))!;
  };
  const bufferOf = ({ storage }: Output) => placeOf(storage) as GPUBuffer; // the host's order: always a buffer
  const bindingsOf = (launch: Launch, output: Storage): Bindings => {
    const params = made.add(paramsOf(device, launch));
    return { bound: [params, ...[...launch.inputs, output].map(placeOf)], workgroups: launch.workgroups };
  };
  const bindings = [
    ...plan.dispatches.map((dispatch) => bindingsOf(dispatch, { kind: "value", id: dispatch.output })),
    ...plan.repacks.map((repack) => bindingsOf(repack, { kind: "packed", name: repack.output })),
  ];
  let total = 0;
  const readings = Object.entries(plan.outputs).map(([name, output]): Reading => {
    const offset = total;
    total += bytesOf(output.shape);
    return { name, shape: output.shape, from: bufferOf(output), offset };
  });
  const updates = plan.updates.flatMap((update): Update[] => {
    const { variable, storage, shape } = update;
    const [from, to, size] = [bufferOf(update), variables.get(variable)!, 4 * sizeOf(shape)];
    if (from === to) return [];
    const waiting = storage.kind === "variable" && made.add(storageBuffer(gpu, `${variable}, next`, bytesOf(shape)));
    return [{ variable, from, to, size, ...(waiting && { waiting }) }];
  });
  const mapped = made.add(readableBuffer(device, Math.max(16, total)));
  const sizes = new Map([...shapes].map(([name, shape]) => [name, 4 * sizeOf(shape)]));
  return { placeOf, inputs, sizes, readings, updates, mapped, bindings };
}

function stepsOf(
  device: GPUDevice,
  bindings: readonly Bindings[],
  pipelines: readonly GPUComputePipeline[],
): readonly Step[] {
  const resources = new Map<Allocation, GPUBindingResource>(); // one per allocation, even if it is bound several times
  const resourceOf = (of: Allocation): GPUBindingResource => {
    const resource = resources.get(of) ?? ("createView" in of ? of.createView() : { buffer: of });
    resources.set(of, resource);
    return resource;
  };
  return bindings.map(({ bound, workgroups }, i) => {
    const pipeline = pipelines[i]!;
    const entries = bound.map((each, binding) => ({ binding, resource: resourceOf(each) }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, group, workgroups };
  });
}

/** A buffer that the host can map for reading. */
export function readableBuffer(device: GPUDevice, size: number): GPUBuffer {
  return device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
}

/**
 * The allocations of several steps. They are destroyed if a step fails; after `keep`, only by the function that `keep`
 * returned.
 */
class Allocations implements Disposable {
  readonly #all: Allocation[] = [];
  #isKept = false;

  add<T extends Allocation>(each: T): T {
    this.#all.push(each);
    return each;
  }

  /** Returns the function that destroys all. */
  keep(): () => void {
    this.#isKept = true;
    return () => this.#destroy();
  }

  #destroy(): void {
    for (const each of this.#all) each.destroy();
  }

  [Symbol.dispose](): void {
    if (!this.#isKept) this.#destroy();
  }
}

function paramsOf(device: GPUDevice, { params }: Launch): GPUBuffer {
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: params.byteLength, usage });
  device.queue.writeBuffer(buffer, 0, params);
  return buffer;
}

function allocated(gpu: Gpu, memory: Memory, label: string, bytes: number): Allocation {
  return isTextures(memory) ? storageTexture(gpu, memory, label, bytes) : storageBuffer(gpu, label, bytes);
}

function storageTexture({ device }: Gpu, memory: Memory, label: string, bytes: number): GPUTexture {
  const row = bytesPerTextureRow(memory);
  const height = Math.max(1, Math.ceil(bytes / row));
  const most = device.limits.maxTextureDimension2D;
  if (height > most) {
    throw new UnsupportedError(
      `webgpu: ${label} takes ${bytes} bytes, a texture of this adapter ${row * most} at most; a smaller image or batch may do`,
    );
  }
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.COPY_SRC;
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
