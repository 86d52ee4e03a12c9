import { shortList } from "./messages.ts";
import type { Source } from "./source.ts";

/** A size, or the open batch `"N"`, which only the first axis may have. */
export type Dimension = number | "N";
export type Shape = readonly Dimension[];

/** Pixels added around an image: [top, left, bottom, right]. */
export type Pads = readonly [number, number, number, number];

/** An attribute: plain JSON. */
export type Attribute = number | boolean | string | readonly number[];
export type Attributes = { readonly [name: string]: Attribute };

/** A tensor that the caller gives to each run. */
export interface Input {
  readonly kind: "input";
  readonly name: string;
  readonly shape: Shape;
}

/** A tensor without numbers yet: `bind` replaces it by a constant. Names are torchvision's `state_dict` keys. */
export interface Parameter {
  readonly kind: "parameter";
  readonly name: string;
  readonly shape: readonly number[];
}

/** A parameter with its numbers, or with a source of them. */
export interface Constant {
  readonly kind: "constant";
  readonly name: string;
  readonly shape: readonly number[];
  readonly source: Source;
}

/**
 * State that an executable keeps from run to run. It starts as `source`, and each run replaces it by the result of its
 * update. A run reads the value from before the run.
 */
export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  readonly shape: readonly number[];
  /** The numbers before the first run. */
  readonly source: Source;
}

/** One application of an op. `ops/index.ts` has the exact type of each op's node. */
export interface AnyNode {
  readonly kind: "node";
  readonly op: string;
  /** Unique within a graph; `""` until the node is part of one. */
  readonly name: string;
  readonly inputs: { readonly [input: string]: Value };
  readonly attributes: Attributes;
  readonly shape: Shape;
}

/**
 * A value of a graph: a real-valued tensor. It has a shape and no dtype: a backend chooses the precision, and
 * conformance sets the precision it must reach.
 */
export type Value = Input | Parameter | Constant | Variable | AnyNode;

/** A value that is not a node. */
export type Leaf = Exclude<Value, AnyNode>;

export function input(name: string, shape: Shape): Input {
  return { kind: "input", name, shape };
}

export function parameter(name: string, shape: readonly number[]): Parameter {
  return { kind: "parameter", name, shape };
}

export function constant(name: string, source: Source): Constant {
  return { kind: "constant", name, shape: source.shape, source };
}

export function variable(name: string, source: Source): Variable {
  return { kind: "variable", name, shape: source.shape, source };
}

/** The same node under a name. */
export function named(name: string, value: AnyNode): AnyNode {
  return { ...value, name };
}

/** `N×3×224×224`; a scalar is `scalar`. */
export function formatShape(shape: Shape): string {
  if (shape.length === 0) return "scalar";
  return shortList(shape, "×");
}

/** The shape with the open batch replaced by `batch`. */
export function concrete(shape: Shape, batch: number): readonly number[] {
  return shape.map((size) => (size === "N" ? batch : size));
}
