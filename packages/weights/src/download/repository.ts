import type { HubRepository } from "../known/names.ts";

/** The hub's own address, under which its files are known. */
export const HUB = "https://huggingface.co";

/** Files of weights that a repository may have, and indexes of such, in the order in which they are looked for. */
export const weightFiles: readonly string[] = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/** The address of a file in a repository. */
export function hubUrl({ owner, name, revision }: HubRepository, file: string): string {
  return `${HUB}/${owner}/${name}/resolve/${encodeURIComponent(revision)}/${file}`;
}
