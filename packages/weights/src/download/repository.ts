import type { HubRepository } from "../known/names.ts";

/** The hub's own address. Files are known by it even when a mirror serves them. */
export const HUB = "https://huggingface.co";

/** Files of weights that a repository may have, and indexes of shards, in the order of preference. */
export const weightFiles: readonly string[] = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** The address of a file in a repository on the hub. */
export function hubUrl({ owner, name, revision }: HubRepository, file: string): string {
  return `${HUB}/${owner}/${name}/resolve/${encodeURIComponent(revision)}/${file}`;
}
