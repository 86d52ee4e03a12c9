import { existsSync } from "node:fs";
import { constant, tensorOf, valuesOf } from "@residual/core";
import { onnxVectors } from "./onnx-files.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import type { Recorded, Suite, Vector } from "./request.ts";
import { translate } from "./translate/index.ts";
import type { Translation } from "./translate/translation.ts";
import { baselineVectors, wptVectors } from "./webnn-files.ts";

/** Data of other projects. The folder lies next to this project, never in it. */
const folder = new URL("../../../../../shared/data/", import.meta.url);

/** The path where the vectors are missing. Undefined if the vectors are there. */
export const missing: string | undefined = existsSync(folder) ? undefined : folder.pathname;

/** All vectors, or none if the data is missing. */
export function allVectors(): readonly Vector[] {
  if (missing !== undefined) return [];
  const onnx: readonly Suite[] = ["onnx/node", "onnx/pytorch-converted", "onnx/pytorch-operator"];
  return [
    ...onnx.flatMap((suite) => onnxVectors(new URL(`${suite}/`, folder), suite)),
    ...baselineVectors(new URL("webnn/baseline/", folder)),
    ...wptVectors(new URL("webnn/wpt/", folder)),
  ];
}

/** A vector that can be tested: each of its calls has a graph. */
export interface ExpressedVector extends Vector {
  readonly calls: readonly Recorded[];
}

/** A vector that cannot be tested. `refusal` belongs to its first call without a graph. */
export interface ListedVector extends Vector {
  readonly refusal: Refusal;
}

export function isListed(vector: ExpressedVector | ListedVector): vector is ListedVector {
  return "refusal" in vector;
}

export function sorted(vector: Vector): ExpressedVector | ListedVector {
  for (const call of vector.calls) {
    const refusal = isRefusal(call) ? call : refusalOf(call);
    if (refusal) return { ...vector, refusal };
  }
  return vector as ExpressedVector;
}

function refusalOf(call: Recorded): Refusal | undefined {
  const translation = inOurOps(call);
  return isRefusal(translation) ? translation : undefined;
}

/** The names of the ops in a vector's graphs, each once. */
export function opsOf({ calls }: ExpressedVector): readonly string[] {
  const nodes = calls.map(inOurOps).flatMap((translation) => {
    if (isRefusal(translation)) return [];
    return valuesOf({ name: "", inputs: {}, outputs: { y: translation.y }, aliases: {}, updates: [] });
  });
  return [...new Set(nodes.flatMap((value) => (value.kind === "node" ? [value.op] : [])))].toSorted();
}

/** The number of elements in the vector's largest answer. */
export function largest({ calls }: ExpressedVector): number {
  return Math.max(...calls.map(({ expected }) => expected.data.length));
}

function inOurOps({ request }: Recorded): Translation {
  let count = 0;
  return translate(request, ({ shape, data }) => constant(`c${count++}`, tensorOf("float64", shape, data)));
}
