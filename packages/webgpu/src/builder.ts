import { permuteAxes, type Source, sizeOf } from "@residual/core";
import * as kernels from "./kernels/index.ts";
import { isFloat16, type Kernel, type KernelIn, type Memory, widened, workgroupsFor } from "./kernels/kernel.ts";
import { interleaved, isDense, type Layout, layoutOf, lengthOf, type Packing } from "./layout.ts";
import type { Dispatch, Storage } from "./plan.ts";

/** Numbers, the shape that they are seen in, and whose order they lie in (layout.ts). */
export interface Operand {
  readonly storage: Storage;
  readonly shape: readonly number[];
  readonly order: "host" | "device";
}

/** Numbers of a constant on their way to the device: where they come from, and how they lie there. */
export interface Uploaded {
  readonly source: Source;
  readonly packing: Packing;
  readonly memory: Memory;
}

/** What dispatches are made with, one after the other. */
export interface Builder {
  readonly memory: Memory;
  /** A dispatch whose output has a shape. `params` are the kernel's; those that all plain kernels have are filled in. */
  readonly emit: (
    node: string,
    kernel: KernelIn,
    inputs: readonly Operand[],
    shape: readonly number[],
    options?: Emitted,
  ) => Operand;
  /** In the device's order. */
  readonly interleaved: (operand: Operand) => Operand;
  /** A constant in an order of its own; undefined where the operand is none. */
  readonly packed: (operand: Operand, packing: Packing) => Operand;
  /** A constant with its axes in another order, and then seen in a shape. */
  readonly permuted: (operand: Operand, order: readonly number[], shape: readonly number[]) => Operand;
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
  readonly isWide?: boolean;
}

/** Adds to `dispatches` and `constants` what it is asked for. */
export function builderOf(dispatches: Dispatch[], constants: Map<string, Uploaded>, memory: Memory): Builder {
  const packedInputs = new Map<string, Operand>();
  const known = (storage: Storage): Uploaded & { readonly name: string } => {
    const uploaded = storage.kind === "constant" ? constants.get(storage.name) : undefined;
    if (storage.kind !== "constant" || !uploaded) throw new TypeError(`${storage.kind}: only constants are packed`);
    return { ...uploaded, name: storage.name };
  };
  const builder: Builder = {
    memory,
    emit(node, kernelIn, inputs, shape, { params = {}, workgroups, grid, order = "device", isWide = false } = {}) {
      const kernel = kernelIn(memory);
      const output = dispatches.length;
      const layout = grid ?? layoutOf(shape);
      const { images, quads } = layout;
      const all: { readonly [name: string]: number } = { planes: images * quads, ...layout, ...params };
      dispatches.push({
        node,
        kernel,
        inputs: inputs.map(({ storage }) => storage),
        output,
        shape,
        ...(order === "host"
          ? { memory: "buffers", bytes: 16 * Math.ceil(sizeOf(shape) / 4) }
          : inDevicesOrder(shape, isWide ? widened(memory) : memory)),
        params: Uint32Array.from(kernel.params, (name) => paramOf(all, name, kernel)),
        workgroups: workgroups ?? workgroupsFor(layout),
      });
      return { storage: { kind: "value", id: output }, shape, order };
    },
    interleaved(operand) {
      const { storage, shape, order } = operand;
      const layout = layoutOf(shape);
      if (storage.kind === "value" || order === "device") return operand;
      if (memory === "buffers" && isDense(layout)) return { ...operand, order: "device" };
      if (storage.kind === "constant") return builder.packed(operand, interleaved(shape));
      const key = `${storage.name} ${shape.join("×")}`;
      const known = packedInputs.get(key) ?? builder.emit(storage.name, kernels.pack, [operand], shape);
      packedInputs.set(key, known);
      return known;
    },
    packed({ storage, shape }, packing) {
      const { source, name: original } = known(storage);
      const seen = shape.join() === source.shape.join() ? "" : ` as ${shape.join("×")}`;
      const name = `${original} ${packing.name}${seen}`;
      constants.set(name, { source, packing, memory });
      return { storage: { kind: "constant", name }, shape, order: "device" };
    },
    permuted({ storage }, order, shape) {
      const { name: original, source, ...rest } = known(storage);
      const name = `${original} permuted`;
      constants.set(name, { ...rest, source: permuteAxes(source, order) });
      return { storage: { kind: "constant", name }, shape, order: "host" };
    },
  };
  return builder;
}

function inDevicesOrder(shape: readonly number[], memory: Memory): Pick<Dispatch, "memory" | "bytes"> {
  return { memory, bytes: (isFloat16(memory) ? 2 : 4) * lengthOf(layoutOf(shape)) };
}

/** A param that nobody gave would be 0 on the device, and wrong in silence. */
function paramOf(all: { readonly [name: string]: number }, name: string, kernel: Kernel): number {
  const value = all[name];
  if (value === undefined) throw new TypeError(`${kernel.name} is given no ${name}`);
  return value;
}
