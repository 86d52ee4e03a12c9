import { readdirSync, readFileSync } from "node:fs";
import { WeightsError } from "@residual/core";
import { memoryFile } from "../open-file.ts";
import { readOpen } from "../readers.ts";
import type { Weights } from "../weights.ts";
import { type Damage, damageBytes } from "./damage.ts";
import { pick, type Random } from "./random.ts";

const folders = ["layers", "layers-uint8", "layers-uint16", "layers-float16", "graph"].map((name) => {
  const folder = new URL(`../tfjs/fixtures/${name}/`, import.meta.url);
  return new Map(readdirSync(folder).map((file) => [file, new Uint8Array(readFileSync(new URL(file, folder)))]));
});

/** Each model.json, with the number of its folder added to the paths of its shards. */
export const tfjsFiles: readonly Uint8Array[] = folders.map((files, i) => {
  const json = new TextDecoder().decode(files.get("model.json"));
  return new TextEncoder().encode(json.replaceAll('"group1-', `"${i}/group1-`));
});

/**
 * Reads a model.json with the shards of the fixtures. If the length of `bytes` is a multiple of 4, shards are truncated
 * or missing.
 */
export function readTfjs(bytes: Uint8Array): Promise<Weights> {
  const isCut = bytes.length % 4 === 0;
  const open = async (path: string) => {
    const [folder = "", file = ""] = path.split("/");
    const found = folders[Number(folder)]?.get(file);
    if (!found || (isCut && file.includes("shard2"))) throw new WeightsError(`${path}: there is no such file`);
    return memoryFile(isCut ? found.subarray(0, 200) : found, path, path);
  };
  return readOpen(memoryFile(bytes, "model.json", "model.json", open), {});
}

const pieces = [
  "-1",
  "0",
  "1.5",
  "1e999",
  "9007199254740993",
  "null",
  "true",
  '"x"',
  "{}",
  "[]",
  "[[]]",
  "[1,2]",
  "[-1]",
  "[4294967296,4294967296]",
  '"uint8"',
  '"float16"',
  '"string"',
  '"../x"',
  '"0/group1-shard1of3.bin"',
  '"__proto__"',
  '"Conv2D"',
  '"Identity"',
  '"TkhXQw=="',
  '"%"',
  '{"i":"7"}',
  '{"list":7}',
];

/** Replaces, removes or moves values in the text, which stays valid JSON. */
function editValues(random: Random): Uint8Array {
  let text = new TextDecoder().decode(pick(random, tfjsFiles));
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const places = [...text.matchAll(/"[^"]*"(?!:)|-?\d[\d.e-]*|\[[^[\]{}]*\]|\{[^{}]*\}/g)];
    if (places.length === 0) break;
    const { index, 0: found } = pick(random, places);
    const piece = random(3) ? pick(random, pieces) : pick(random, places)[0];
    text = text.slice(0, index) + piece + text.slice(index + found.length);
  }
  return new TextEncoder().encode(text);
}

const damages = tfjsFiles.map((file) => damageBytes(file));

export const damageTfjs: Damage = (random) => (random(4) ? editValues(random) : pick(random, damages)(random));
