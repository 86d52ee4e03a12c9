import { check } from "./errors.ts";
import { describeValue, shortList } from "./messages.ts";
import { mapValues } from "./names.ts";
import type { Tensor } from "./tensor.ts";
import {
  type AnyNode,
  type Attribute,
  type Attributes,
  formatShape,
  input,
  type Pads,
  type Shape,
  type Value,
} from "./value.ts";

/** `{ x: T, weight: T, bias?: T }` for inputs "x" | "weight" and optional "bias". */
export type InputRecord<Required extends string, Optional extends string, T> = { readonly [K in Required]: T } & {
  readonly [K in Optional]?: T;
};

/**
 * The role of an input. `data` differs from run to run; in the ops of models its first axis is the batch. The other
 * roles are parameters: training updates weight, bias, scale and shift by gradients, and collects mean and variance.
 */
export type InputRole = "data" | "weight" | "bias" | "scale" | "shift" | "mean" | "variance";

/** The role of each input, in the op's order. */
export type InputRoles<Names extends string> = { readonly [K in Names]: InputRole };

/** The type of an attribute: a number, [down, right], [top, left, bottom, right], any list of numbers, or a boolean. */
export type AttributeKind = "number" | "pair" | "sides" | "list" | "flag";

type KindOf<Value extends Attribute> = Value extends boolean
  ? "flag"
  : Value extends number
    ? "number"
    : Value extends Pads
      ? "sides"
      : Value extends readonly [number, number]
        ? "pair"
        : "list";

/** The kind of each attribute. */
type AttributeKinds<Canonical extends Attributes> = { readonly [K in keyof Canonical]: KindOf<Canonical[K]> };

/** The properties that primitive and composite ops share. */
interface OpDeclaration<
  Name extends string,
  Required extends string,
  Optional extends string,
  Options extends object,
  Canonical extends Attributes,
> {
  readonly name: Name;
  /** Required inputs, each with its role. */
  readonly inputs: InputRoles<Required>;
  /** Optional inputs, each with its role. */
  readonly optional?: InputRoles<Optional>;
  /** The kind of each attribute. Nodes are checked against it, since callers and files may pass anything. */
  readonly attributeKinds: AttributeKinds<Canonical>;
  /**
   * Converts options as people write them (`stride: 2`) to the canonical form that nodes hold (`stride: [2, 2]`).
   *
   * Law: canonical attributes are valid options and stay unchanged, since passes build nodes from the attributes of
   * other nodes.
   */
  attributes(options: Options): Canonical;
}

/** A primitive op: it has its own computation. Its file states shapes, numbers, cost and gradient. */
export interface OpDefinition<
  Name extends string,
  Required extends string,
  Optional extends string,
  Options extends object,
  Canonical extends Attributes,
> extends OpDeclaration<Name, Required, Optional, Options, Canonical> {
  /** The output's shape. Throws ShapeError with the label of the violated constraint. */
  shape(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical): Shape;
  /**
   * The output's elements in float64, row-major. `shape` is the output's shape, so that no second formula computes it.
   */
  evaluate(
    inputs: InputRecord<Required, Optional, Tensor<"float64">>,
    attributes: Canonical,
    shape: readonly number[],
  ): Float64Array;
  /** Multiply-adds for one output of shape `shape`; 0 if absent. Bias and elementwise arithmetic are not counted. */
  macs?(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical, shape: readonly number[]): number;
  /**
   * The gradient of each input as a value of the IR, from the node and the gradient of its output. An input that is
   * left out has the gradient 0. Ops that only gradients consist of have no gradient: there are no second derivatives.
   */
  gradient?(
    node: Differentiated<Required, Optional, Canonical>,
    dy: Value,
  ): { readonly [K in Required | Optional]?: Value | undefined };
}

/**
 * A node whose gradient is asked for, with its output as a value: some gradients read the output instead of an input.
 */
interface Differentiated<Required extends string, Optional extends string, Canonical extends Attributes> {
  readonly inputs: InputRecord<Required, Optional, Value>;
  readonly attributes: Canonical;
  readonly output: Value;
}

/**
 * A composite op: an op expressed by other ops. Its shape, evaluation, cost, error bound and gradient follow from its
 * parts. A backend has a row for it only if it fuses the parts. ONNX calls such an op a function.
 */
export interface CompositeDefinition<
  Name extends string,
  Required extends string,
  Optional extends string,
  Options extends object,
  Canonical extends Attributes,
> extends OpDeclaration<Name, Required, Optional, Options, Canonical> {
  /** Constraints beyond those of the parts. Throws ShapeError with the label of the violated constraint. */
  check?(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical): void;
  /** Multiply-adds, as in OpDefinition, if they differ from the sum over the parts. */
  macs?(inputs: InputRecord<Required, Optional, Shape>, attributes: Canonical, shape: readonly number[]): number;
  /** The same output, computed by other ops. */
  decompose(inputs: InputRecord<Required, Optional, Value>, attributes: Canonical): AnyNode;
  /** The gradients of the inputs, as in OpDefinition, if they cost less than those that follow from the parts. */
  gradient?(
    node: Differentiated<Required, Optional, Canonical>,
    dy: Value,
  ): { readonly [K in Required | Optional]?: Value | undefined };
}

/** An op as a function that applies it: `conv2d({ x, weight }, { stride: 2 })`. */
type Apply<Required extends string, Optional extends string, Options extends object> = (
  inputs: InputRecord<Required, Optional, Value | undefined>,
  options?: Options,
) => AnyNode;

/** An op: its definition, and the function that applies it. */
export type Op<
  Name extends string,
  Required extends string,
  Optional extends string = never,
  Options extends object = Record<never, never>,
  Canonical extends Attributes = Attributes,
> = Apply<Required, Optional, Options> & OpDefinition<Name, Required, Optional, Options, Canonical>;

/** A composite op: its definition, the shape that follows from it, and the function that applies it. */
export type CompositeOp<
  Name extends string,
  Required extends string,
  Optional extends string = never,
  Options extends object = Record<never, never>,
  Canonical extends Attributes = Attributes,
> = Apply<Required, Optional, Options> &
  CompositeDefinition<Name, Required, Optional, Options, Canonical> &
  Pick<OpDefinition<Name, Required, Optional, Options, Canonical>, "shape">;

/** Declares a primitive op. Each file of `ops/` declares one op. */
export function defineOp<
  const Name extends string,
  const Required extends string,
  Options extends object,
  Canonical extends Attributes,
  const Optional extends string = never,
>(
  definition: OpDefinition<Name, Required, Optional, Options, Canonical>,
): Op<Name, Required, Optional, Options, Canonical> {
  return callable(definition);
}

/** Declares an op that other ops express. */
export function defineComposite<
  const Name extends string,
  const Required extends string,
  Options extends object,
  Canonical extends Attributes,
  const Optional extends string = never,
>(
  definition: CompositeDefinition<Name, Required, Optional, Options, Canonical>,
): CompositeOp<Name, Required, Optional, Options, Canonical> {
  return callable({
    ...definition,
    shape(shapes: InputRecord<Required, Optional, Shape>, attributes: Canonical): Shape {
      definition.check?.(shapes, attributes);
      const inputs = mapValues<Shape, Value>({ ...shapes }, (shape, name) => input(name, shape));
      return definition.decompose(inputs as InputRecord<Required, Optional, Value>, attributes).shape;
    },
  });
}

/** The part of a definition that building a node needs. */
interface Applicable {
  readonly name: string;
  readonly inputs: InputRoles<string>;
  readonly optional?: InputRoles<string>;
  readonly attributeKinds: { readonly [name: string]: AttributeKind };
  attributes(options: object): Attributes;
  shape(inputs: { readonly [input: string]: Shape }, attributes: Attributes): Shape;
}

/**
 * The function that applies a definition, with the definition's properties. `name` is redefined, since a function has a
 * `name` property already.
 */
function callable<Required extends string, Optional extends string, Options extends object, D extends Applicable>(
  definition: D,
): Apply<Required, Optional, Options> & D {
  const { name, ...rest } = definition;
  const apply: Apply<Required, Optional, Options> = (inputs, options) =>
    applyDefinition(definition, inputs, options ?? {});
  const named = Object.defineProperty(apply, "name", { value: name, enumerable: true });
  return Object.assign(named, rest) as Apply<Required, Optional, Options> & D;
}

/** A node of the op. Throws ShapeError for inputs and attributes that are missing, unknown or of the wrong shape. */
export function applyDefinition(
  op: Applicable,
  inputs: { readonly [input: string]: Value | undefined },
  options: object,
): AnyNode {
  const known = { ...op.inputs, ...op.optional };
  for (const name of Object.keys(op.inputs))
    check(inputs[name] !== undefined, op.name, () => `input ${name} is missing`);
  checkNames(op.name, "input", inputs, known);
  checkNames(op.name, "option", options, op.attributeKinds);
  const present = Object.keys(known).flatMap((name): [string, Value][] => {
    const value = inputs[name];
    return value ? [[name, value]] : [];
  });
  const attributes = mapValues(op.attributes(options), owned);
  for (const [name, kind] of Object.entries(op.attributeKinds)) checkKind(op.name, name, attributes[name], kind);
  const shapes = Object.fromEntries(present.map(([name, { shape }]) => [name, shape]));
  const shape = op.shape(shapes, attributes);
  return { kind: "node", op: op.name, name: "", inputs: Object.fromEntries(present), attributes, shape };
}

/** A copy, so that the node stays as it is when the caller changes a list that it gave. */
function owned<T>(attribute: T): T {
  return Array.isArray(attribute) ? (attribute.slice() as T) : attribute;
}

function checkNames(op: string, what: string, given: object, known: object): void {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(known, name));
  check(unknown.length === 0, op, () => {
    const expected = shortList(Object.keys(known)) || "none";
    return `there is no ${what} ${shortList(unknown)}; there are ${expected}`;
  });
}

const isNumber = (value: unknown): boolean => typeof value === "number";
const areNumbers = (value: unknown, count: number): boolean =>
  Array.isArray(value) && value.length === count && value.every(isNumber);

const kinds: {
  readonly [Kind in AttributeKind]: { readonly expected: string; readonly holds: (value: unknown) => boolean };
} = {
  number: { expected: "a number", holds: isNumber },
  pair: { expected: "one number or [down, right]", holds: (value) => areNumbers(value, 2) },
  sides: { expected: "one number or [top, left, bottom, right]", holds: (value) => areNumbers(value, 4) },
  list: { expected: "a list of numbers", holds: (value) => Array.isArray(value) && value.every(isNumber) },
  flag: { expected: "true or false", holds: (value) => typeof value === "boolean" },
};

function checkKind(op: string, name: string, value: unknown, kind: AttributeKind): void {
  const { expected, holds } = kinds[kind];
  check(holds(value), op, () => {
    const found = Array.isArray(value) ? `[${shortList(value.map(describeNumber))}]` : describeNumber(value);
    return `${name} is ${found}, expected ${expected}`;
  });
}

function describeNumber(value: unknown): string {
  return typeof value === "number" ? String(value) : describeValue(value);
}

/** For ops that have no attributes. */
export const noAttributes: {
  readonly attributeKinds: Record<never, never>;
  readonly attributes: () => Record<never, never>;
} = { attributeKinds: {}, attributes: () => ({}) };

/** The axes of an image tensor [N, C, H, W]. */
export function rank4(shape: Shape, label: string): readonly [Shape[0] & {}, number, number, number] {
  check(shape.length === 4, label, () => `expected [N, C, H, W], found ${formatShape(shape)}`);
  const [n, c, h, w] = shape;
  const isClosed = typeof c === "number" && typeof h === "number" && typeof w === "number";
  check(isClosed, label, () => `only the batch may be open, found ${formatShape(shape)}`);
  return [n!, c, h, w];
}

/** The four sizes of an image tensor with a closed batch, as `evaluate` needs them. */
export function dims4(shape: Shape): readonly [n: number, c: number, h: number, w: number] {
  const [n, c, h, w] = rank4(shape, "dims4");
  check(typeof n === "number", "dims4", () => `the batch of ${formatShape(shape)} is open`);
  return [n, c, h, w];
}

/** The axes of a feature tensor [N, C]. */
export function rank2(shape: Shape, label: string): readonly [Shape[0] & {}, number] {
  check(shape.length === 2, label, () => `expected [N, C], found ${formatShape(shape)}`);
  const [n, c] = shape;
  check(typeof c === "number", label, () => `only the batch may be open, found ${formatShape(shape)}`);
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
      () => `${what} must be whole and at least ${least}, found ${size}`,
    );
  }
}

/**
 * How many steps of a window fit: ⌊(size + before + after − reach) / stride⌋ + 1, where a window reaches over `reach`.
 */
export function windowSteps(size: number, before: number, after: number, reach: number, stride: number): number {
  return Math.floor((size + before + after - reach) / stride) + 1;
}
