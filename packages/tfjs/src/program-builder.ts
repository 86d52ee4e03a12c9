import {
  type Constant,
  constant,
  freeName,
  type Graph,
  type Input,
  type Pads,
  type Shape,
  sizeOf,
  tensorOf,
  type Value,
  type Variable,
  valuesOf,
} from "@residual/core";
import { shapeIn } from "./layout.ts";
import type { OperatorAttributes, OperatorName } from "./operators.ts";
import type { Operation, OperatorLayout, Weight } from "./program.ts";

/** A value of four axes that an operation gives in the graph's order, such as the gradient of a weight. */
export interface PlainValue {
  readonly kind: "plain";
  readonly name: string;
  readonly shape: Shape;
}

/**
 * A value during lowering: the name of an operation (images in NHWC), or a leaf or an operation in the graph's order,
 * which gets a layout when an operator reads it.
 */
export type Operand = string | PlainValue | Input | Constant | Variable;

/** An operation on the result of the preceding one. `suffix` ends its name, except for the last of a chain. */
export type Step = readonly [suffix: string, emit: (x: string, name: string) => string];

/** One of equal groups of outputs. */
export interface Group {
  readonly group: number;
  readonly groups: number;
}

const TO_CHANNELS_LAST = [0, 2, 3, 1];
const TO_CHANNELS_FIRST = [0, 3, 1, 2];

/** Collects operations and weights under unique names. */
export class ProgramBuilder {
  readonly operations: Operation[] = [];
  readonly weights = new Map<string, Weight>();
  readonly #made = new Map<string, string>();
  /** Names that are taken: values of the graph, and names given out. */
  readonly #taken: Set<string>;
  /** Names of leaves, and of the operations so far. */
  readonly #defined: Set<string>;

  constructor(graph: Graph) {
    const values = valuesOf(graph);
    this.#taken = new Set(values.map(({ name }) => name));
    this.#defined = new Set(values.filter(({ kind }) => kind !== "node").map(({ name }) => name));
  }

  /**
   * Adds an operation and returns its name: `name`, or a variation if that is taken, as for a part of a composite node.
   */
  emit<Name extends OperatorName>(
    operator: Name,
    name: string,
    inputs: readonly string[],
    attributes: OperatorAttributes<Name>,
  ): string {
    const own = this.#defined.has(name) ? this.#free(name) : name;
    this.#defined.add(own);
    this.#taken.add(own);
    this.operations.push({ operator, name: own, inputs, attributes });
    return own;
  }

  /** Consecutive operations. The last has the name of the whole. */
  chain(name: string, x: string, steps: readonly Step[]): string {
    return steps.reduce((from, [suffix, emit], i) => {
      return emit(from, i === steps.length - 1 ? name : this.#free(`${name}/${suffix}`));
    }, x);
  }

  /** In the operators' layout for inputs that are not kernels: images NHWC, others unchanged. */
  channelsLast(operand: Operand): string {
    if (typeof operand === "string") return operand;
    return this.inLayout(operand, operand, { kind: operand.shape.length === 4 ? "channels-last" : "plain" });
  }

  /** In the graph's and the caller's layout: images NCHW. The operation for it is named `name`. */
  channelsFirst(name: string, { shape }: Pick<Value, "shape">, operand: Operand): string {
    if (typeof operand !== "string") return this.inLayout(operand, operand, { kind: "plain" });
    if (shape.length !== 4) return operand;
    const [, channels = 0, height = 0, width = 0] = shape as readonly number[];
    const isSame = channels === 1 || height * width === 1; // the same memory: only the shape differs
    const key = `${operand}/channels-first`;
    const turn = (free: string) =>
      isSame
        ? this.emit("Reshape", free, [operand], { shape: [-1, channels, height, width] })
        : this.emit("Transpose", free, [operand], { permutation: TO_CHANNELS_FIRST });
    return this.#once(key, turn, name === operand ? key : name);
  }

  /**
   * A value in a layout: a constant is laid out when the program is loaded, other values by operations in each run.
   * `value` is the operand's value in the graph.
   */
  inLayout(operand: Operand, value: Pick<Value, "shape">, layout: OperatorLayout): string {
    if (typeof operand !== "string" && operand.kind === "constant") return this.#weight(operand, layout);
    if (typeof operand === "string") {
      const plain = this.channelsFirst(`${operand}/channels-first`, value, operand);
      return this.#laidOut(plain, value.shape, layout);
    }
    return this.#laidOut(operand.name, operand.shape, layout);
  }

  padded(name: string, x: string, [top, left, bottom, right]: Pads, value: number): string {
    if (top + left + bottom + right === 0) return x;
    const none = [0, 0] as const;
    const paddings = [none, [top, bottom], [left, right], none] as const;
    return this.emit("PadV2", this.#free(`${name}/padded`), [x], { paddings, value });
  }

  /** Pixels to add to each side with zeros; a negative number cuts pixels off. */
  fitted(name: string, x: string, pads: Pads, [height, width]: readonly [number, number]): string {
    const [top, left, bottom, right] = pads.map((pixels) => Math.max(-pixels, 0)) as [number, number, number, number];
    const begin = [0, top, left, 0];
    const size = [-1, height - top - bottom, width - left - right, -1];
    const isWhole = top + left + bottom + right === 0;
    const cut = isWhole ? x : this.emit("Slice", this.#free(`${name}/cut`), [x], { begin, size });
    const added = pads.map((pixels) => Math.max(pixels, 0)) as [number, number, number, number];
    return this.padded(name, cut, added, 0);
  }

  /** In the graph's order. For leaves, and for operands that lie in it. */
  plain(operand: Operand): string {
    return typeof operand === "string" ? operand : this.inLayout(operand, operand, { kind: "plain" });
  }

  /** A row of ones, [1, count]. */
  ones(count: number): string {
    return this.#shared(`ones/${count}`, [1, count], new Float32Array(count).fill(1));
  }

  /** A scalar from an attribute. */
  scalar(value: number): string {
    return this.#shared(`scalar/${value}`, [], Float32Array.of(value));
  }

  /** A constant that several operations read. */
  #shared(name: string, shape: readonly number[], data: Float32Array): string {
    const made = this.#made.get(name) ?? this.numbers(name, shape, data);
    this.#made.set(name, made);
    return made;
  }

  /** Constants from attributes. */
  numbers(name: string, shape: readonly number[], data: Float32Array): string {
    return this.#weight(constant(this.#free(name), tensorOf("float32", shape, data)), { kind: "plain" });
  }

  /** A constant in a layout, under its own name unless another layout of it has that name. */
  #weight({ name, shape, source }: Constant, layout: OperatorLayout): string {
    return this.#once(nameIn(layout, name), (free) => {
      const isWhole = !("group" in layout) || layout.groups === 1;
      const own = isWhole && !this.weights.has(name) ? name : free;
      this.weights.set(own, { name: own, shape: shapeIn(layout, shape), layout, source });
      return own;
    });
  }

  /** Operations that convert a tensor from the graph's layout. */
  #laidOut(plain: string, shape: Shape, layout: OperatorLayout): string {
    const steps = this.#stepsTo(layout, shape);
    if (steps.length === 0) return plain;
    return this.#once(nameIn(layout, plain), (name) => this.chain(name, plain, steps));
  }

  #stepsTo(layout: OperatorLayout, shape: Shape): Step[] {
    const reshape = (suffix: string, to: readonly number[]): Step => [
      suffix,
      (x, name) => this.emit("Reshape", name, [x], { shape: to }),
    ];
    const transpose = (permutation: readonly number[]): Step => [
      "transposed",
      (x, name) => this.emit("Transpose", name, [x], { permutation }),
    ];
    switch (layout.kind) {
      case "plain":
        return [];
      case "channels-last":
        return [transpose(TO_CHANNELS_LAST)];
      case "vector":
        return this.#partOf(layout, shape);
      case "kernel":
        return [...this.#partOf(layout, shape), transpose([2, 3, 1, 0])];
      case "turned-kernel":
        return [...this.#partOf(layout, shape), transpose([2, 3, 0, 1]), ...this.#turn(shape)];
      case "turned-depthwise":
        return [transpose([2, 3, 0, 1]), ...this.#turn(shape), ...this.#times(layout.factor)];
      case "columns": {
        if (shape.length === 2) return [transpose([1, 0])];
        const [outputs, channels, ...window] = shape as readonly [number, number, number, number];
        const taps = sizeOf(window);
        return [
          reshape("taps", [outputs, channels, taps]),
          transpose([2, 1, 0]),
          reshape("matrix", [taps * channels, outputs]),
        ];
      }
      case "depthwise": {
        const [outputs, channels, ...window] = shape as readonly [number, number, number, number];
        const { groups, factor } = layout;
        const steps = [
          reshape("groups", [groups, outputs / groups, channels, sizeOf(window)]),
          transpose([3, 0, 2, 1]),
          reshape("bank", [...window, groups * channels, outputs / groups]),
        ];
        return [...steps, ...this.#times(factor)];
      }
    }
  }

  /** Kernels [KH, KW, …] turned by 180°. */
  #turn([, , height, width]: Shape): Step[] {
    if (height === 1 && width === 1) return [];
    return [["turned", (x, name) => this.emit("ReverseV2", name, [x], { axes: [0, 1] })]];
  }

  #times(factor: number): Step[] {
    if (factor === 1) return [];
    return [["times", (x, name) => this.emit("Mul", name, [x, this.scalar(factor)], {})]];
  }

  /** One of the equal parts along the first axis. */
  #partOf({ group, groups }: Group, shape: Shape): Step[] {
    if (groups === 1) return [];
    const [outputs = 0, ...rest] = shape as readonly number[];
    const each = outputs / groups;
    const slice = { begin: [group * each, ...rest.map(() => 0)], size: [each, ...rest.map(() => -1)] };
    return [["part", (x, name) => this.emit("Slice", name, [x], slice)]];
  }

  /** Creates the value of a key at its first request, under a free name. */
  #once(key: string, make: (name: string) => string, wanted = key): string {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const made = make(this.#free(wanted));
    this.#made.set(key, made);
    return made;
  }

  #free(wanted: string): string {
    return freeName(wanted, this.#taken);
  }
}

/** A key that distinguishes the layouts of a value. */
function nameIn(layout: OperatorLayout, name: string): string {
  const { kind, ...numbers } = layout;
  return `${name}/${[kind, ...Object.values(numbers)].join("-")}`;
}
