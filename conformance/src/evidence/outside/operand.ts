import { sizeOf, stridedTensor } from "@residual/core";

/** A tensor of a vector. float64 holds every number of the formats read here, so nothing is lost. */
export interface Operand {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** Whether a model would hold this tensor as a parameter. Backends change the layout of parameters. */
  readonly constant: boolean;
}

export function operand(shape: readonly number[], data: ArrayLike<number>, constant = false): Operand {
  const size = sizeOf(shape);
  if (data.length !== size) throw new RangeError(`[${shape.join(", ")}] has ${size} elements, found ${data.length}`);
  return { shape, data: data instanceof Float64Array ? data : Float64Array.from(data), constant };
}

/** A tensor of one repeated number: the default for a scale, a bound or a bias that is not given. */
export function filled(shape: readonly number[], value: number): Operand {
  return operand(shape, new Float64Array(sizeOf(shape)).fill(value), true);
}

export function held({ shape, data }: Operand): Operand {
  return { shape, data, constant: true };
}

/** The same numbers in the same order under another shape of the same size. */
export function viewed({ data, constant }: Operand, shape: readonly number[]): Operand {
  return operand(shape, data, constant);
}

/** Axis i of the result is axis `axes[i]` of the input, as in NumPy's transpose. */
export function permuted({ shape, data, constant }: Operand, axes: readonly number[]): Operand {
  const steps = stridesOf(shape);
  return fromStrides(
    axes.map((axis) => shape[axis]!),
    axes.map((axis) => steps[axis]!),
    data,
    constant,
  );
}

/** The tensor repeated along axes of size 1 and along missing leading axes, as in broadcasting. */
export function expanded({ shape, data, constant }: Operand, to: readonly number[]): Operand {
  const full = leading(shape, to.length);
  const steps = stridesOf(full).map((step, axis) => (full[axis] === 1 ? 0 : step));
  return fromStrides(to, steps, data, constant);
}

/** The shape with ones in front, up to the given rank. */
export function leading(shape: readonly number[], rank: number): readonly number[] {
  return [...Array.from({ length: rank - shape.length }, () => 1), ...shape];
}

/** The shape to which two operands broadcast. */
export function broadcast(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  const [left, right] = [leading(a, rank), leading(b, rank)];
  return left.map((size, axis) => Math.max(size, right[axis]!));
}

function stridesOf(shape: readonly number[]): readonly number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

function fromStrides(
  shape: readonly number[],
  steps: readonly number[],
  from: Operand["data"],
  constant: boolean,
): Operand {
  return { shape, data: stridedTensor("float64", from, shape, steps).data, constant };
}
