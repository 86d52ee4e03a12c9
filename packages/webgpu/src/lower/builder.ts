import { rowsIn, type Source, sizeOf, type Variable } from "@residual/core";
import {
  inFloat32,
  isFloat16,
  type Kernel,
  type KernelIn,
  type Memory,
  rowOf,
  workgroupsFor,
} from "../kernels/kernel.ts";
import { unpack } from "../kernels/order.ts";
import { four, isDense, type Layout, layoutOf, lengthOf } from "./layout.ts";
import { type HostPacking, interleaved, type Packing } from "./packing.ts";
import { type Dispatch, keyOf, type Launch, type Repack, type Storage } from "./plan.ts";
import { ownSteps, packingOf, type WeightView } from "./weight-view.ts";

/**
 * The numbers in a storage, seen as a tensor of `shape`. They are in the host's order (row-major), or in an order of
 * the device (layout.ts).
 */
export interface Operand {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly order: "host" | "device";
  /** Weights that are the storage's numbers in another order. `shape` is theirs. */
  readonly view?: WeightView;
}

/** Numbers to upload: their source, their packing, and the memory that they are packed for. */
export interface Uploaded {
  readonly source: Source;
  readonly packing: HostPacking;
  readonly memory: Memory;
}

/** Makes the dispatches of a plan, one after the other. */
export interface Builder {
  readonly memory: Memory;
  /**
   * Adds a dispatch, and returns its output, of the given shape. `params` are the kernel's own; the params that all
   * plain kernels have are filled in.
   */
  readonly emit: (
    node: string,
    kernel: KernelIn,
    inputs: readonly Operand[],
    shape: readonly number[],
    options?: Emitted,
  ) => Operand;
  /** The operand in the device's order. */
  readonly interleaved: (operand: Operand) => Operand;
  /** The operand in the host's order. */
  readonly inHostOrder: (operand: Operand) => Operand;
  /**
   * The operand in a kernel's order. A constant is packed during its upload, a variable after each update, a computed
   * value or an input in each run.
   */
  readonly packed: (operand: Operand, packing: Packing) => Operand;
}

interface Emitted {
  readonly params?: { readonly [name: string]: number };
  /** Default: the workgroups of a plain kernel */
  readonly workgroups?: Dispatch["workgroups"];
  /** The layout that a plain kernel runs over. Default: the output's */
  readonly grid?: Layout;
  /** The output's order. Default "device" */
  readonly order?: Operand["order"];
  /** Whether the output is float32 even in float16 memory. */
  readonly isFloat32?: boolean;
  /** The count of the output's numbers on the device. Default: the count in its layout */
  readonly length?: number;
}

/**
 * The parts of a plan that a builder adds to. Each map has the names used in the plan; repacks have the names of their
 * outputs.
 */
export interface Parts {
  readonly dispatches: Dispatch[];
  readonly repacks: Map<string, Repack>;
  readonly constants: Map<string, Uploaded>;
  readonly variables: ReadonlyMap<string, Variable>;
  readonly kernels: Map<string, Kernel>;
}

/** A builder that adds to `parts`. */
export function builderOf({ dispatches, repacks, constants, variables, kernels }: Parts, memory: Memory): Builder {
  const made = new Map<string, Operand>(); // operands that were brought into another order before
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
      const { shape, order } = operand;
      if (order === "device") return operand;
      if (memory === "buffers" && isDense(layoutOf(shape))) return { ...operand, order: "device" };
      return builder.packed(operand, interleaved(shape));
    },
    inHostOrder(operand) {
      const { storage, shape, order } = operand;
      const layout = layoutOf(shape);
      const { images, pixels, channels, quads } = layout;
      if (order === "host") return operand;
      if (memory === "buffers" && isDense(layout)) return { ...operand, order: "host" };
      const grid = rowOf(images * channels * pixels);
      const params = { c: channels, xPixels: pixels, xQuads: quads };
      return once(`host ${keyOf(storage)} ${shape.join("×")}`, () =>
        builder.emit("to the host's order", unpack, [operand], shape, { params, grid, order: "host" }),
      );
    },
    packed(operand, packing) {
      const { storage, shape, view } = operand;
      const nameIn = (own: readonly number[]) =>
        [
          packing.name,
          ...(own.join() === shape.join() ? [] : [`as ${shape.join("×")}`]),
          ...(view ? [view.name] : []),
        ].join(" ");
      if (storage.kind === "constant") {
        const { source } = constants.get(storage.name)!;
        const name = `${storage.name} ${nameIn(source.shape)}`;
        const own = view ? packingOf(packing, four(shape), view, rowsIn(source)) : packing;
        constants.set(name, { source, packing: own, memory });
        return { storage: { kind: "constant", name }, shape, order: "device" };
      }
      const { kernel, params, grid } = packing.onDevice;
      const steps = view?.steps ?? (shape.length === 4 ? ownSteps(four(shape)) : undefined);
      const options = { params: { ...params, ...steps }, grid, length: packing.length };
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

/**
 * Throws TypeError for a param without a value: on the device it would be 0, and results would be wrong without an
 * error.
 */
function paramOf(all: { readonly [name: string]: number }, name: string, kernel: Kernel): number {
  const value = all[name];
  if (value === undefined) throw new TypeError(`${kernel.name} is given no ${name}`);
  return value;
}
