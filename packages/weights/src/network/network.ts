import type { Pads } from "@residual/core";
import { quote } from "../json-reader.ts";

/** Pixels around an image. "same" pads as TensorFlow does, with an odd pixel at the bottom and right. */
export type NetworkPadding = Pads | "same";

type Pair = readonly [number, number];

/** A tensor of a file, with the operations that the file's graph applies to it before using it as a weight. */
export interface Weight {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly changes: readonly Change[];
}

/** Permuted axes, as in `permuteAxes`, or another shape of the same numbers. */
export type Change = { readonly order: readonly number[] } | { readonly shape: readonly number[] };

/** The computation of a file's node, in core's ops: images are NCHW, kernels OIHW, matrices [out, in]. */
export type Operation =
  /** In NCHW, as all shapes; the file's own images may have their channels last. */
  | {
      readonly op: "image";
      readonly shape: readonly (number | undefined)[] | undefined;
      readonly isChannelsLast: boolean;
    }
  | {
      readonly op: "conv2d";
      readonly weight: Weight;
      readonly bias?: Weight;
      readonly stride: Pair;
      readonly dilation: Pair;
      readonly padding: NetworkPadding;
      readonly groups: number;
    }
  | {
      readonly op: "batchNorm";
      readonly scale: Weight | undefined;
      readonly shift: Weight | undefined;
      readonly mean: Weight;
      readonly variance: Weight;
      readonly epsilon: number;
    }
  | { readonly op: "linear"; readonly weight: Weight; readonly bias?: Weight }
  | {
      readonly op: "maxPool2d" | "averagePool2d";
      readonly window: Pair;
      readonly stride: Pair;
      readonly padding: NetworkPadding;
      /** Whether a last window that sticks out counts. */
      readonly ceil: boolean;
      /** Whether an average counts the pixels of the padding. */
      readonly countsPadding: boolean;
    }
  /** Pixels of a value around an image. */
  | { readonly op: "pad2d"; readonly padding: Pads; readonly value: number }
  | { readonly op: "padChannels"; readonly before: number; readonly after: number }
  /** Every stride-th pixel before `ends`. */
  | { readonly op: "subsample"; readonly stride: Pair; readonly ends: Pair }
  | { readonly op: "add" | "multiply" | "relu" | "sigmoid" | "softmax" | "globalAveragePool" | "reshape" }
  /** A computation that no op of core has. */
  | { readonly op: "other" };

export type OperationName = Operation["op"];
/** The operation of a name, also where several names share a type. */
export type OperationOf<Name extends OperationName> = HasName<Operation, Name>;
type HasName<Each extends Operation, Name> = Each extends unknown ? (Name extends Each["op"] ? Each : never) : never;

/** A node of a file's graph. */
export interface NetworkNode {
  /** As the file calls them. */
  readonly operator: string;
  readonly name: string;
  operation: Operation;
  /** Its computed inputs, without constants. */
  readonly inputs: readonly NetworkNode[];
  /** The nodes that are computed from it. */
  readonly readers: NetworkNode[];
}

/** A network of 1202 layers has 5,000, and as many constants. Reading and following more would take seconds. */
export const MOST_NODES = 20_000;

/** The graph of a file that has one. */
export interface Network {
  /** Its only input that is not a weight. */
  readonly image: NetworkNode;
  readonly nodes: readonly NetworkNode[];
  /** In the file's order. */
  readonly outputs: readonly NetworkOutput[];
}

/** An output of a file's graph, by its name in the file. `node` is undefined where no node computes it. */
export interface NetworkOutput {
  readonly name: string;
  readonly node: NetworkNode | undefined;
}

/** Why a file's graph is none that a model can have. */
export interface Unlike {
  readonly found: string;
  readonly expected: string;
}

/** The graph does not have exactly one image as input. */
export function inputsUnlike(names: readonly string[]): Unlike {
  return { found: names.length === 0 ? "no input" : `the inputs ${namesInWords(names)}`, expected: "one" };
}

/** The first names of a list, for messages. */
export function namesInWords(names: readonly string[]): string {
  return names.slice(0, LISTED).map(quote).join(", ") + (names.length > LISTED ? ", …" : "");
}

/** Names in a message. */
const LISTED = 3;

/** Makes the nodes of a network. */
export class NetworkBuilder {
  readonly nodes: NetworkNode[] = [];

  add(operator: string, name: string, operation: Operation, inputs: readonly NetworkNode[]): NetworkNode {
    const node: NetworkNode = { operator, name, operation, inputs, readers: [] };
    for (const input of new Set(inputs)) input.readers.push(node);
    this.nodes.push(node);
    return node;
  }
}

export function isOp<Name extends OperationName>(
  node: NetworkNode,
  op: Name,
): node is NetworkNode & { operation: OperationOf<Name> } {
  return node.operation.op === op;
}
