import { FormatError, type ModelName, modelNameOf, type Tensor, tensorOf } from "@residual/core";
import { readWeights } from "@residual/weights";
import type { ConformOptions } from "./options.ts";

/** PyTorch's float64 answers. `golden/README.md` describes how they were made, and every field. */
// The module has its own URL in a constant: a bundler copies the file that `new URL(…, import.meta.url)` names.
const here = import.meta.url;
/** The URL of the folder in the package. Folders are texts, since not every platform's types declare URL. */
const ownGoldens: string = new URL("../../golden/", here).href;

/** The folder of a run, with or without a slash at its end. Throws TypeError for a text that is no absolute URL. */
export function folderOf({ goldens }: { readonly goldens?: ConformOptions["goldens"] | undefined }): string {
  if (goldens === undefined) return ownGoldens;
  const text = typeof goldens === "string" ? goldens : goldens.href;
  return new URL(`${text.replace(/\/$/, "")}/`).href;
}

/** A file of the golden folder: read in Node, fetched in a browser. */
async function readBytes(path: string, folder: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(path, folder);
  if (url.protocol !== "file:") return fetchBytes(url);
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(url));
}

async function fetchBytes(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(url);
  // some servers answer an unknown path with an HTML page
  if (answer.ok && !answer.headers.get("content-type")?.startsWith("text/html")) {
    return new Uint8Array(await answer.arrayBuffer());
  }
  throw new FormatError(
    `${url.href}: found no file with PyTorch's answers; give the URL of a copy of @residual/conformance's folder ` +
      "golden as the option goldens",
  );
}

async function readJson<T>(path: string, folder: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await readBytes(path, folder))) as T;
}

/** The recorded facts of a stage: statistics over all elements, and the values at `sampleIndex(k, n)`. */
interface Activation {
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
  /** The weights' names, shapes and roles, in long records. */
  readonly tensors?: readonly (readonly [name: string, shape: readonly number[], role: string])[];
  /** The error of torch's own float32 run at each stage: max |d| / max |reference|. */
  readonly fp32: { readonly [stage: string]: { readonly relToMax: number } };
}

/** The ids of all recorded whole models. */
export async function modelGoldenIds(folder: string = ownGoldens): Promise<readonly string[]> {
  return (await readJson<{ cases: string[] }>("infer/index.json", folder)).cases;
}

export function modelGolden(id: string, folder: string = ownGoldens): Promise<ModelGolden> {
  return readJson(`infer/${id}.json`, folder);
}

/** The flat index of the k-th sample of n elements. */
export function sampleIndex(k: number, n: number): number {
  return (k * 1000003) % n;
}

/** Our model's name for a golden's id: the id without timm's prefix and without the shape at the end. */
export function modelName(id: string): ModelName {
  const name = modelNameOf(id.replace(/^timm_/, "").replace(/_\d+x\d+x\d+x\d+$/, ""));
  if (name === undefined) throw new TypeError(`golden ${id} is of no model`);
  return name;
}

export interface OpGolden<Attributes = { readonly [name: string]: unknown }> {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly attrs: Attributes;
  readonly inputs: { readonly [name: string]: { readonly tensor: string; readonly shape: readonly number[] } };
  readonly outputs: { readonly [name: string]: { readonly tensor: string; readonly shape: readonly number[] } };
}

/**
 * The cases of single operators, with the file that holds their tensors. `Attributes` are those of the operators that
 * the caller reads.
 */
export async function opGoldens<Attributes = OpGolden["attrs"]>(
  folder: string = ownGoldens,
): Promise<readonly OpGolden<Attributes>[]> {
  return (await readJson<{ cases: OpGolden<Attributes>[] }>("ops/index.json", folder)).cases;
}

export type FloatTensor = Tensor<"float32" | "float64">;

/** The tensors of a file of single operators, by name. Labels are numbers too. */
export async function opTensors(file: string, folder: string = ownGoldens): Promise<ReadonlyMap<string, FloatTensor>> {
  const { tensors } = await readWeights(await readBytes(`ops/${file}`, folder));
  return new Map([...tensors].map(([name, tensor]) => [name, inFloats(tensor)]));
}

function inFloats(tensor: Tensor): FloatTensor {
  const { dtype, shape, data } = tensor;
  if (dtype === "float32" || dtype === "float64") return tensor;
  return tensorOf("float64", shape, Float64Array.from(data, Number));
}

/** The recorded facts of a tensor in training: its norm, and the values at `sampleIndex(k, n)`. */
export interface RecordedTensor {
  readonly samples: readonly number[];
  /** The root of the sum of squares. The running statistics have none. */
  readonly l2?: number;
}

/** max |d| / max |reference| per tensor, of torch's own float32 run. */
interface TensorErrors {
  readonly worst: number;
}

/** Three steps of SGD. */
export interface TrainingGolden {
  readonly id: string;
  readonly model: { readonly name: string };
  readonly salt: string;
  readonly input: {
    readonly name: string;
    readonly shape: readonly [number, number, number, number];
    /** The distance of the first step's rectifiers from their kinks, in units of float32's noise. */
    readonly kinkMargin: number;
  };
  readonly labels: readonly number[];
  readonly sgd: { readonly lr: number; readonly momentum: number; readonly weight_decay: number };
  /** The loss of each step, and the loss after the last. */
  readonly losses: readonly number[];
  /** The gradients of the first step. */
  readonly grads: { readonly [parameter: string]: RecordedTensor };
  /** The state after each step. */
  readonly steps: readonly {
    readonly params: { readonly [parameter: string]: RecordedTensor };
    readonly buffers: { readonly [statistic: string]: RecordedTensor };
  }[];
  /** Logits in inference mode after the last step. */
  readonly final: { readonly evalLogits: RecordedTensor };
  /** The error of torch's own float32 run. */
  readonly fp32: {
    readonly lossAbs: readonly number[];
    readonly gradL2Rel: TensorErrors;
    readonly gradMaxOverMax: TensorErrors;
    readonly paramMaxOverMax: readonly TensorErrors[];
    readonly bufferMaxOverMax: readonly TensorErrors[];
    readonly evalLogitsRelToMax: number;
  };
}

/** The ids of the recorded training runs. */
export const trainingGoldenIds = [
  "train_cifar_resnet20_8x3x32x32",
  "train_resnext14_32x4d_8x3x32x32",
  "train_resnet18_4x3x64x64",
  "train_resnet50_4x3x64x64",
  "train_resnext50_32x4d_4x3x64x64",
] as const;

export function trainingGolden(id: string, folder: string = ownGoldens): Promise<TrainingGolden> {
  return readJson(`train/${id}.json`, folder);
}
