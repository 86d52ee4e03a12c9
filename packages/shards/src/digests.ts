import { createHash, hash } from "node:crypto";
import { constantsOf, type Graph, readTensor, toJson } from "@residual/core";
import type { Digests } from "./manifest.ts";

/** The digests of a model, which do not depend on the format or the name of its file. Reads the weights once. */
export async function digestsOf(graph: Graph): Promise<Pick<Digests, "model" | "weights">> {
  const weights = createHash("sha256");
  for (const { name, source } of constantsOf(graph)) {
    const { data } = await readTensor(source);
    weights.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return {
    model: hash("sha256", JSON.stringify(await toJson(graph, { isHollow: true }))),
    weights: weights.digest("hex"),
  };
}
