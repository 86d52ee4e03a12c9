import { check } from "./errors.ts";
import type { Tensor } from "./tensor.ts";
import { type AnyNode, type Attributes, formatShape, type Pads, type Shape, type Value } from "./value.ts";

/** `{ x: T, weight: T, bias?: T }` for inputs "x" | "weight" and optional "bias". */
export type InputRecord<Required extends string, Optional extends string, T> = { readonly [K in Required]: T } & {
  readonly [K in Optional]?: T;
};

/**
 * What an op is. Everything that is known of it stands here: how it is called, which shapes it takes and gives, what
 * it computes, what that costs, and how it is differentiated.
 */
export interface OpDefinition<
  Name extends string,
  Required extends string,
  Optional extends string,
  Options extends object,
  Canonical extends Attributes,
> {
  readonly name: Name;
  readonly inputs: readonly Required[];
  readonly optional?: readonly Optional[];
  /** Options as people write them (`stride: 2`) to the one form that nodes hold (`stride: [2, 2]`). */
  attributes(options: Options): Canonical;
  /** The output's shape. Throws ShapeError under the label of the constraint that does not hold. */
  shape(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical): Shape;
  /** The output's elements in float64, row-major. `shape` is the output's, so that no second formula works it out. */
  evaluate(
    inputs: InputRecord<Required, Optional, Tensor<"float64">>,
    attributes: Canonical,
    shape: readonly number[],
  ): Float64Array;
  /** Multiply-adds of one output of shape `shape`; 0 where not given. Bias and everything elementwise is not counted. */
  macs?(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical, shape: readonly number[]): number;
  /** The gradient of each input as values of the IR, given that of the output. */
  gradient?(
    dy: Value,
    inputs: InputRecord<Required, Optional, Value>,
    attributes: Canonical,
  ): { readonly [K in Required | Optional]?: Value };
}

/** An op: its definition, and a function that applies it: `conv2d({ x, weight }, { stride: 2 })`. */
export interface Op<
  Name extends string,
  Required extends string,
  Optional extends string = never,
  Options extends object = Record<never, never>,
  Canonical extends Attributes = Attributes,
> extends OpDefinition<Name, Required, Optional, Options, Canonical> {
  (inputs: InputRecord<Required, Optional, Value | undefined>, options?: Options): AnyNode;
  readonly name: Name;
}

/** Declares an op, once: a file of `ops/` each. */
export function defineOp<
  const Name extends string,
  const Required extends string,
  const Optional extends string,
  Options extends object,
  Canonical extends Attributes,
>(
  definition: OpDefinition<Name, Required, Optional, Options, Canonical>,
): Op<Name, Required, Optional, Options, Canonical> {
  const order = [...definition.inputs, ...(definition.optional ?? [])];
  const apply = (
    inputs: { readonly [input: string]: Value | undefined },
    options: Options = {} as Options,
  ): AnyNode => {
    const present = order.filter((name) => inputs[name] !== undefined);
    for (const name of definition.inputs)
      check(inputs[name] !== undefined, definition.name, `input ${name} is missing`);
    const pick = <T>(of: (value: Value) => T) =>
      Object.fromEntries(present.map((name) => [name, of(inputs[name]!)])) as InputRecord<Required, Optional, T>;
    const attributes = definition.attributes(options);
    const shape = definition.shape(
      pick((value) => value.shape),
      attributes,
    );
    return { kind: "node", op: definition.name, name: "", inputs: pick((value) => value), attributes, shape };
  };
  const { name, ...rest } = definition;
  return Object.assign(Object.defineProperty(apply, "name", { value: name }), rest) as unknown as Op<
    Name,
    Required,
    Optional,
    Options,
    Canonical
  >;
}

/** For ops that have no attributes. */
export const noAttributes = (): Record<never, never> => ({});

/** The axes of an image tensor [N, C, H, W]. */
export function rank4(shape: Shape, label: string): readonly [Shape[0] & {}, number, number, number] {
  check(shape.length === 4, label, `expected [N, C, H, W], found ${formatShape(shape)}`);
  const [n, ...rest] = shape;
  check(
    rest.every((size) => typeof size === "number"),
    label,
    `only the batch may be open, found ${formatShape(shape)}`,
  );
  return [n!, ...(rest as [number, number, number])];
}

/** The axes of a feature tensor [N, C]. */
export function rank2(shape: Shape, label: string): readonly [Shape[0] & {}, number] {
  check(shape.length === 2, label, `expected [N, C], found ${formatShape(shape)}`);
  const [n, c] = shape;
  check(typeof c === "number", label, `only the batch may be open, found ${formatShape(shape)}`);
  return [n!, c];
}

/** One number for both axes, or [height, width]. */
export type Pair = number | readonly [number, number];

/** One number for all sides, or [top, left, bottom, right]. */
export type Padding = number | Pads;

export function pair(size: Pair): readonly [number, number] {
  return typeof size === "number" ? [size, size] : size;
}

export function sides(padding: Padding): Pads {
  return typeof padding === "number" ? [padding, padding, padding, padding] : padding;
}

/** Whole numbers, each at least `least`. */
export function checkWhole(sizes: readonly number[], least: number, label: string, what: string): void {
  for (const size of sizes) {
    check(
      Number.isSafeInteger(size) && size >= least,
      label,
      `${what} must be whole and at least ${least}, found ${size}`,
    );
  }
}

/** How many steps of a window fit: ⌊(size + before + after − reach) / stride⌋ + 1, where a window reaches over `reach`. */
export function windowSteps(size: number, before: number, after: number, reach: number, stride: number): number {
  return Math.floor((size + before + after - reach) / stride) + 1;
}
