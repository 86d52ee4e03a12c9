import { type AnyNode, nodesOf, type Tensor } from "@residual/core";
import type { Activations } from "./activations.ts";
import type { Explanation, Place } from "./explanation.ts";
import { explain, inPlace, inputsAlone, numberAt, resultOf } from "./products.ts";
import { type ReceptiveField, receptiveField } from "./receptive-field.ts";
import { readersOf, stepsThrough } from "./sections.ts";

/** One number of the network: how it came about, and how far the backend's is from the exact one. */
export interface Explained {
  readonly explanation: Explanation;
  /** The number as the backend computed it, in float32. */
  readonly found: number;
  /** The same arithmetic on the backend's own inputs, in float64. */
  readonly exact: number;
  /**
   * The largest difference that float32 allows here (docs/tolerances.md). Undefined offline, until the code for it has
   * been fetched once.
   */
  readonly bound: number | undefined;
  readonly field: ReceptiveField;
  /** The number's way through the steps that keep its position. */
  readonly steps: readonly { readonly name: string; readonly op: string; readonly value: number }[];
}

type Tensors = { readonly [input: string]: Tensor<"float32"> };

/** `limit` is the number of terms of a sum that are given in full. Throws ShapeError for an unknown name. */
export async function explainNumber(view: Activations, name: string, place: Place, limit: number): Promise<Explained> {
  const node = view.node(name);
  const [values, inputs] = [await view.sectionOf(node), await view.inputsOf(node)];
  const explanation = explain(node, inputs, place, limit);
  const exact = exactly(explanation, inputs);
  const found = numberAt(values.get(name)!, place);
  const isCopy = explanation.kind === "copy"; // which does not round
  return {
    explanation,
    found,
    exact,
    bound: isCopy ? 0 : await boundOf(view, node, inputs, place, Math.abs(found - exact)),
    field: receptiveField(view.classifier.graph, node, place.row, place.column),
    steps: stepsOf(view, node, values, place),
  };
}

function exactly(explanation: Explanation, { x }: Tensors): number {
  const isCopied = explanation.kind === "copy" && explanation.from;
  return resultOf(explanation, isCopied ? numberAt(x!, isCopied) : 0);
}

/** The bound of plain float32; of the backend's own algorithms, such as Winograd's, only if the difference needs it. */
async function boundOf({ classifier }: Activations, node: AnyNode, inputs: Tensors, place: Place, difference: number) {
  const conformance = await fetchConformance();
  if (!conformance) return undefined;
  const isAlone = inPlace.has(node.op);
  const [given, at] = isAlone ? [inputsAlone(inputs, place), 0] : [inputs, flatIndex(node, place)];
  const plain = conformance.elementBound(node, given, at).bound;
  return difference <= plain ? plain : conformance.elementBound(node, given, at, classifier.backend).bound;
}

/** Large, and only the bound needs it. */
async function fetchConformance() {
  try {
    const { elementBound } = await import("@residual/conformance");
    return { elementBound };
  } catch {
    return undefined;
  }
}

function flatIndex({ shape }: AnyNode, { channel, row, column }: Place): number {
  const [height = 1, width = 1] = shape.slice(2).map(Number);
  return (channel * height + row) * width + column;
}

/** The steps of the node's own section: those of the next are not computed yet. */
function stepsOf(
  { classifier }: Activations,
  node: AnyNode,
  values: ReadonlyMap<string, Tensor<"float32">>,
  place: Place,
): Explained["steps"] {
  return stepsThrough(node, readersOf(nodesOf(classifier.graph))).flatMap(({ name, op }) => {
    const value = values.get(name);
    return value ? [{ name, op, value: numberAt(value, place) }] : [];
  });
}
