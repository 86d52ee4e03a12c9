import type { Tensor } from "@tensorflow/tfjs-core";
import type { Engine } from "./engine.ts";
import { operatorOf } from "./operators.ts";
import type { BareProgram, Operation } from "./program.ts";
import { within } from "./runtime.ts";

/**
 * For engines that pack kernels and matrices on first use: packs them now, by an operation on zeros, and frees the
 * original memory once every operation that reads the weight has its packing. A network then holds its weights once
 * instead of twice, and its first run is not slower than later ones.
 *
 * Only weights are packed ahead. Values computed in a run are new tensors in each run, and the engine frees a packing
 * with its tensor.
 */
export function packers(
  engine: Engine,
  { operations, outputs, weights, variables }: BareProgram,
  tensors: ReadonlyMap<string, Tensor>,
): (operation: Operation) => void {
  const { tf, heap } = engine;
  const readers = new Map(weights.map(({ name }) => [name, 0]));
  const read = (name: string, count: number) => {
    const known = readers.get(name);
    if (known !== undefined) readers.set(name, known + count);
  };
  for (const { from } of outputs) read(from, Infinity);
  for (const { update } of variables) read(update, Infinity);
  for (const operation of operations) {
    const isPacking = operatorOf(operation).smallestInput !== undefined;
    for (const [i, name] of operation.inputs.entries()) read(name, i === 1 && isPacking ? 1 : Infinity);
  }
  return (operation) => {
    const [, packed = "", ...others] = operation.inputs;
    const { apply, smallestInput } = operatorOf(operation);
    const tensor = tensors.get(packed);
    if (!smallestInput || !tensor || !others.every((name) => tensors.has(name))) return;
    within(engine, () => {
      const zeros = tf.zeros(smallestInput(tensor.shape, operation.attributes));
      apply(tf, [zeros, tensor, ...others.map((name) => tensors.get(name)!)], operation.attributes);
    });
    read(packed, -1);
    if (readers.get(packed) === 0) heap?.release(tensor);
  };
}
