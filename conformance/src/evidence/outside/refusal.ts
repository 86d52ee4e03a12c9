import { checkInputs, type DType, graph, input, type OpName, ops, ShapeError, type Tensor } from "@residual/core";

/** The reason why a vector is not tested: no graph of core can express the vector. */
export interface Refusal {
  readonly because: string;
  /** Whether the reason still holds. A new op, or the end of a constraint, turns the refusal into a failing test. */
  readonly holds: () => boolean;
}

export function isRefusal(value: object): value is Refusal {
  return "because" in value;
}

/** Core has no op for these names. */
export function noOp(names: readonly string[], because: string): Refusal {
  return { because, holds: () => names.every((name) => !(name in ops)) };
}

/** Core has the op, but without this attribute. */
export function noAttribute(op: OpName, attribute: string, because: string): Refusal {
  const definition = ops[op] as { attributes(options: object): object };
  return { because, holds: () => !(attribute in definition.attributes({ window: 1, stride: 1 })) };
}

/** Core has the op, but the op refuses these shapes with this label. */
export function constraint(label: string, apply: () => unknown, because: string): Refusal {
  const holds = () => {
    try {
      apply();
      return false;
    } catch (error) {
      return error instanceof ShapeError && error.label === label;
    }
  };
  return { because: `${because} (${label})`, holds };
}

/** Every backend takes float32 only. */
export function noFormat(format: string): Refusal {
  const x = input("x", [1]);
  const given = { dtype: format as DType, shape: [1], data: Float64Array.of(1) } as unknown as Tensor;
  const take = () => checkInputs(graph({ name: "format", inputs: { x }, outputs: { x } }), { x: given });
  return constraint("run.B2", take, `${format}: inputs are float32`);
}

/** The vector itself is ambiguous. */
export function unreadable(because: string, holds: () => boolean): Refusal {
  return { because, holds };
}
