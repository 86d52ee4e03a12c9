import { type Source, sizeOf, type Variable } from "@residual/core";
import { inFloat32, isFloat16, type Kernel, type KernelIn, type Memory, workgroupsFor } from "../kernels/kernel.ts";
import { unpack } from "../kernels/order.ts";
import { isDense, type Layout, layoutOf, lengthOf } from "./layout.ts";
import { type HostPacking, interleaved, type Packing } from "./packing.ts";
import { type Dispatch, keyOf, type Launch, type Repack, type Storage } from "./plan.ts";

/** Numbers, the shape that they are seen in, and whose order they lie in (layout.ts). */
export interface Operand {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly order: "host" | "device";
}

/** Numbers on their way to the device: where they come from, and how they lie there. */
export interface Uploaded {
  readonly source: Source;
  readonly packing: HostPacking;
  readonly memory: Memory;
}

/** What dispatches are made with, one after the other. */
export interface Builder {
  readonly memory: Memory;
  /**
   * A dispatch whose output has a shape. `params` are the kernel's; those that all plain kernels have are filled in.
   */
  readonly emit: (
    node: string,
    kernel: KernelIn,
    inputs: readonly Operand[],
    shape: readonly number[],
    options?: Emitted,
  ) => Operand;
  /** In the device's order. */
  readonly interleaved: (operand: Operand) => Operand;
  /** In the host's order. */
  readonly inHostOrder: (operand: Operand) => Operand;
  /**
   * In the order of a kernel. A constant is packed on its way to the device, a variable whenever it has changed, and
   * what a run computes or is given in each run.
   */
  readonly packed: (operand: Operand, packing: Packing) => Operand;
}

interface Emitted {
  readonly params?: { readonly [name: string]: number };
  /** Those of plain kernels where not given. */
  readonly workgroups?: Dispatch["workgroups"];
  /** What a plain kernel runs over, where that is not the output's layout. */
  readonly grid?: Layout;
  /** The order of the output. */
  readonly order?: Operand["order"];
  /** Whether the kernel writes float32 in any memory. */
  readonly isFloat32?: boolean;
  /** Numbers of the output on the device, where not its layout's. */
  readonly length?: number;
}

/** What a builder adds to. All are listed by their names in the plan, repacks by the names of their outputs. */
export interface Parts {
  readonly dispatches: Dispatch[];
  readonly repacks: Map<string, Repack>;
  readonly constants: Map<string, Uploaded>;
  readonly variables: ReadonlyMap<string, Variable>;
  readonly kernels: Map<string, Kernel>;
}

/** Adds to `parts` what it is asked for. */
export function builderOf({ dispatches, repacks, constants, variables, kernels }: Parts, memory: Memory): Builder {
  const made = new Map<string, Operand>(); // what was brought into another order before
  const once = (key: string, make: () => Operand): Operand => {
    const operand = made.get(key) ?? make();
    made.set(key, operand);
    return operand;
  };
  const known = (kernelIn: KernelIn) => {
    const kernel = kernelIn(memory);
    kernels.set(kernel.name, kernel);
    return kernel;
  };
  const builder: Builder = {
    memory,
    emit(node, kernelIn, inputs, shape, options = {}) {
      const output = dispatches.length;
      const kernel = known(kernelIn);
      dispatches.push({ ...launchOf(memory, node, kernel, inputs, shape, options), output });
      return { storage: { kind: "value", id: output }, shape, order: options.order ?? "device" };
    },
    interleaved(operand) {
      const { storage, shape, order } = operand;
      if (storage.kind === "value" || order === "device") return operand;
      if (memory === "buffers" && isDense(layoutOf(shape))) return { ...operand, order: "device" };
      return builder.packed(operand, interleaved(shape));
    },
    inHostOrder(operand) {
      const { storage, shape, order } = operand;
      const layout = layoutOf(shape);
      const { images, pixels, channels, quads } = layout;
      if (order === "host" || (memory === "buffers" && isDense(layout))) return operand;
      const grid = { images: 1, channels: 4, quads: 1, pixels: Math.ceil((images * channels * pixels) / 4) };
      const params = { c: channels, xPixels: pixels, xQuads: quads };
      return once(`host ${keyOf(storage)} ${shape.join("×")}`, () =>
        builder.emit("to the host's order", unpack, [operand], shape, { params, grid, order: "host" }),
      );
    },
    packed(operand, packing) {
      const { storage, shape } = operand;
      const nameIn = (own: readonly number[]) =>
        [packing.name, ...(own.join() === shape.join() ? [] : [`as ${shape.join("×")}`])].join(" ");
      if (storage.kind === "constant") {
        const { source } = constants.get(storage.name)!;
        const name = `${storage.name} ${nameIn(source.shape)}`;
        constants.set(name, { source, packing, memory });
        return { storage: { kind: "constant", name }, shape, order: "device" };
      }
      const { kernel, ...onDevice } = packing.onDevice;
      const options = { ...onDevice, length: packing.length };
      if (storage.kind === "variable") {
        const output = `${storage.name} ${nameIn(variables.get(storage.name)!.shape)}`;
        const launch = launchOf(memory, storage.name, known(kernel), [operand], shape, options);
        repacks.set(output, { ...launch, variable: storage.name, output });
        return { storage: { kind: "packed", name: output }, shape, order: "device" };
      }
      const node = storage.kind === "value" ? `${dispatches[storage.id]!.node}, packed` : storage.name;
      return once(`${keyOf(storage)} ${nameIn([])}`, () =>
        builder.emit(node, kernel, [builder.inHostOrder(operand)], shape, options),
      );
    },
  };
  return builder;
}

function launchOf(
  memory: Memory,
  node: string,
  kernel: Kernel,
  inputs: readonly Operand[],
  shape: readonly number[],
  { params = {}, workgroups, grid, order = "device", isFloat32 = false, length }: Emitted,
): Launch {
  const layout = grid ?? layoutOf(shape);
  const { images, quads } = layout;
  const all: { readonly [name: string]: number } = { planes: images * quads, ...layout, ...params };
  return {
    node,
    kernel: kernel.name,
    inputs: inputs.map(({ storage }) => storage),
    shape,
    ...(order === "host"
      ? { memory: "buffers", bytes: 16 * Math.ceil(sizeOf(shape) / 4) }
      : inDevicesOrder(length ?? lengthOf(layoutOf(shape)), isFloat32 ? inFloat32(memory) : memory)),
    params: Uint32Array.from(kernel.params, (name) => paramOf(all, name, kernel)),
    workgroups: workgroups ?? workgroupsFor(layout),
  };
}

function inDevicesOrder(length: number, memory: Memory): Pick<Launch, "memory" | "bytes"> {
  return { memory, bytes: (isFloat16(memory) ? 2 : 4) * length };
}

/** A param that nobody gave would be 0 on the device, and wrong in silence. */
function paramOf(all: { readonly [name: string]: number }, name: string, kernel: Kernel): number {
  const value = all[name];
  if (value === undefined) throw new TypeError(`${kernel.name} is given no ${name}`);
  return value;
}
