import { constantsOf, type Graph, readTensor, type Tensor, toJson } from "@residual/core";
import type { Dataset } from "../data/dataset.ts";

/** SHA-256 of text or bytes, in hexadecimal. */
export async function sha256(content: string | Tensor["data"]): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : bytesOf(content);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf({ buffer, byteOffset, byteLength }: Tensor["data"]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Over the structure of a graph and its constants, but not over the numbers of its variables. */
export async function digestOfGraph(graph: Graph): Promise<string> {
  const lines = [JSON.stringify(await toJson(graph, { isHollow: true }))];
  for (const { name, source } of constantsOf(graph))
    lines.push(`${name} ${await sha256((await readTensor(source)).data)}`);
  return sha256(lines.join("\n"));
}

/** Over labels and names, but not over the pictures, which would all have to be read. */
export function digestOfDataset({ labels, examples }: Dataset): Promise<string> {
  return sha256([labels.join("\n"), ...examples.map(({ name, label }) => `${label} ${name}`)].join("\n"));
}
