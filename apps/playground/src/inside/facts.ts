import {
  concrete,
  type Graph,
  inputsOf,
  nodesOf,
  type Shape,
  sizeOf,
  summarize,
  type Value,
  valuesOf,
} from "@residual/core";
import { dataInputsOf, readersOf } from "./sections.ts";

/** What the page says of a value: of a node's output, or of the network's input. */
export interface ValueFacts {
  readonly name: string;
  /** `input` for the network's input. */
  readonly op: string;
  /** Of one picture. */
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly parameters: number;
  readonly macs: number;
  /** Names of the values that it is computed from, parameters not counted. */
  readonly reads: readonly string[];
  /** Names of the nodes that read it. */
  readonly readBy: readonly string[];
  /** The kernel of a convolution, height and width. */
  readonly kernel?: readonly [number, number];
}

/** Whether a layer has maps; otherwise it has one number for each channel. */
export function hasMaps({ shape: [, , height = 1, width = 1] }: Pick<ValueFacts, "shape">): boolean {
  return height * width > 1;
}

/** The nodes of a graph in the order in which they run, after its inputs. */
export function factsOf(graph: Graph): readonly ValueFacts[] {
  const nodes = nodesOf(graph);
  const readers = readersOf(nodes);
  const layers = new Map(summarize(graph).layers.map((layer) => [layer.name, layer]));
  return valuesOf(graph).flatMap((value): ValueFacts[] => {
    if (value.kind !== "node" && value.kind !== "input") return [];
    const { parameters = 0, macs = 0 } = layers.get(value.name) ?? {};
    return [
      {
        name: value.name,
        op: value.kind === "node" ? value.op : "input",
        ...sizesOf(value.shape),
        parameters,
        macs,
        reads: value.kind === "node" ? dataInputsOf(value).map(({ name }) => name) : [],
        readBy: (readers.get(value) ?? []).map(({ name }) => name),
        ...kernelOf(value),
      },
    ];
  });
}

function sizesOf(open: Shape): Pick<ValueFacts, "shape" | "bytes"> {
  const shape = concrete(open, 1);
  return { shape, bytes: Float32Array.BYTES_PER_ELEMENT * sizeOf(shape) };
}

function kernelOf(value: Value): Pick<ValueFacts, "kernel"> {
  const weight = inputsOf(value).find(({ kind, shape }) => kind === "constant" && shape.length === 4);
  return weight ? { kernel: [Number(weight.shape[2]), Number(weight.shape[3])] } : {};
}
