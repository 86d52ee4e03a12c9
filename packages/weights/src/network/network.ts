import type { Pads } from "@residual/core";
import { quote } from "../json-reader.ts";

/** Pixels around an image. "same" pads as TensorFlow does, with an odd pixel at the bottom and right. */
export type NetworkPadding = Pads | "same";

type Pair = readonly [number, number];

/** A tensor of a file, with the changes that the file's graph makes before the tensor is used as a weight. */
export interface Weight {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly changes: readonly Change[];
}

/** A permutation of axes, as in `permuteAxes`, or a reshape. */
export type Change = { readonly order: readonly number[] } | { readonly shape: readonly number[] };

/** The computation of a node in core's ops. Images are NCHW, kernels OIHW, matrices [out, in]. */
export type Operation =
  /** `shape` is in NCHW, like all shapes. The file's own images may have channels last. */
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
      /** Whether a last window that exceeds the input counts. */
      readonly ceil: boolean;
      /** Whether an average includes the pixels of the padding. */
      readonly countsPadding: boolean;
    }
  /** Pads an image with `value`. */
  | { readonly op: "pad2d"; readonly padding: Pads; readonly value: number }
  | { readonly op: "padChannels"; readonly before: number; readonly after: number }
  /** Takes every stride-th pixel before `ends`. */
  | { readonly op: "subsample"; readonly stride: Pair; readonly ends: Pair }
  | { readonly op: "add" | "multiply" | "relu" | "sigmoid" | "softmax" | "globalAveragePool" | "reshape" }
  /** A computation for which core has no op. */
  | { readonly op: "other" };

export type OperationName = Operation["op"];
/** The operation with a given name. Some types have several names. */
export type OperationOf<Name extends OperationName> = HasName<Operation, Name>;
type HasName<Each extends Operation, Name> = Each extends unknown ? (Name extends Each["op"] ? Each : never) : never;

/** A node of a file's graph. */
export interface NetworkNode {
  /** `operator` and `name` as in the file. */
  readonly operator: string;
  readonly name: string;
  operation: Operation;
  /** The computed inputs, without constants. */
  readonly inputs: readonly NetworkNode[];
  /** The nodes that read this one. */
  readonly readers: NetworkNode[];
}

/**
 * The most nodes. A network of 1202 layers has 5,000 nodes, and as many constants. Larger graphs would take seconds.
 */
export const MOST_NODES = 20_000;

/** The graph of a file. */
export interface Network {
  /** The only input that is not a weight. */
  readonly image: NetworkNode;
  readonly nodes: readonly NetworkNode[];
  /** The outputs, in the file's order. */
  readonly outputs: readonly NetworkOutput[];
}

/** An output of a file's graph, by its name in the file. `node` is undefined if no node computes the output. */
export interface NetworkOutput {
  readonly name: string;
  readonly node: NetworkNode | undefined;
}

/** The difference between a file's graph and the models. */
export interface Unlike {
  readonly found: string;
  readonly expected: string;
}

/** The difference if a graph does not have exactly one image as input. */
export function inputsUnlike(names: readonly string[]): Unlike {
  return { found: names.length === 0 ? "no input" : `the inputs ${namesInWords(names)}`, expected: "one" };
}

/** The first names of a list, for messages. */
export function namesInWords(names: readonly string[]): string {
  return names.slice(0, LISTED).map(quote).join(", ") + (names.length > LISTED ? ", …" : "");
}

/** The most names in a message. */
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
