import { readdirSync, readFileSync } from "node:fs";
import type { Tensor } from "@residual/core";

/** PyTorch's float64 answers; `golden/README.md` says how they were made and what each field is. */
const folder = new URL("../golden/", import.meta.url);

function read<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, folder), "utf8")) as T;
}

/** A tensor of a case: its name, shape and role in the hash fill. */
type Listed = readonly [name: string, shape: readonly number[], role: string];

export interface StructureGolden {
  readonly id: string;
  readonly input: readonly number[];
  readonly params: number;
  readonly macs: { readonly total: number };
  readonly stages: { readonly [stage: string]: readonly number[] };
  readonly stateDict: readonly Listed[];
  /** Leaf modules in the order they run: name, type, output shape. */
  readonly layers: readonly (readonly [name: string, type: string, shape: readonly number[]])[];
}

export function structureGoldens(): readonly StructureGolden[] {
  const files = readdirSync(new URL("structure/", folder)).filter((file) => file !== "index.json");
  return files.map((file) => read<StructureGolden>(`structure/${file}`));
}

/** All models of the index, the two that have no file of their own among them. */
export function structureIndex(): readonly Omit<StructureGolden, "stages" | "stateDict" | "layers">[] {
  return read<{ models: Omit<StructureGolden, "stages" | "stateDict" | "layers">[] }>("structure/index.json").models;
}

/** What is recorded of a stage: statistics over all elements, and the values at `sampleIndex(k, n)`. */
export interface Activation {
  readonly shape: readonly number[];
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
}

/** A tensor recorded whole. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export interface ModelGolden {
  readonly id: string;
  readonly salt: string;
  readonly input: { readonly name: string; readonly shape: readonly number[]; readonly sha256: string };
  readonly weightsSha256: string;
  readonly activations?: { readonly [stage: string]: Activation };
  readonly logits?: Values;
  readonly probabilities?: Values;
  readonly output?: Values;
  readonly top5?: { readonly indices: readonly (readonly number[])[] };
  /** How far torch's own float32 run was off, per stage: max |d| / max |reference|. */
  readonly fp32: { readonly [stage: string]: { readonly relToMax: number } };
}

export function modelGoldens(): readonly ModelGolden[] {
  return readdirSync(new URL("infer/", folder)).map((file) => read<ModelGolden>(`infer/${file}`));
}

/** The flat index of the k-th sample of n elements. */
export function sampleIndex(k: number, n: number): number {
  return (k * 1000003) % n;
}

export interface OpGolden {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly attrs: { readonly [name: string]: unknown };
  readonly inputs: { readonly [name: string]: { readonly tensor: string; readonly shape: readonly number[] } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string; readonly shape: readonly number[] } };
}

/** Single operators, with the file that holds their tensors. */
export function opGoldens(): readonly OpGolden[] {
  return read<{ cases: OpGolden[] }>("ops/index.json").cases;
}

export function opFile(file: string): string {
  return new URL(`ops/${file}`, folder).pathname;
}

/** The name of a model of ours for a golden's id: without timm's prefix, and without the shape at the end. */
export function modelName(id: string): string {
  return id.replace(/^timm_/, "").replace(/_\d+x\d+x\d+x\d+$/, "");
}

/** Float tensors only: labels and counters are of no op here. */
export type FloatTensor = Tensor<"float32" | "float64">;
