import { constantsOf, FormatError, type Graph, parametersOf, type WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { placeTensors } from "./encode-safetensors.ts";
import type { Metadata } from "./named-tensors.ts";
import { numbersOf } from "./numbers-of.ts";
import { type PyTorchModuleOptions, pyTorchModule } from "./pytorch-module/index.ts";

/** A network's answer, which the written module compares its own with. */
export interface RecordedAnswer {
  /** The shape of the input, which is `fixtureInput("v1", shape)`. */
  readonly shape: readonly number[];
  /** The name of the output. */
  readonly output: string;
  /** All numbers of the output, in float64. */
  readonly values: readonly number[];
}

export interface WritePyTorchModuleOptions extends WorkOptions, Pick<PyTorchModuleOptions, "preprocessing"> {
  /** Metadata of the .safetensors file. `classes` are the labels that the module prints. */
  readonly metadata?: Metadata | undefined;
  /** Kept in the .safetensors file. Default: the module has nothing to compare with. */
  readonly recorded?: RecordedAnswer | undefined;
}

/**
 * Writes a bound network as a PyTorch module, `pyTorchModule(graph)`, and its weights as a .safetensors file beside it:
 * `net.py` and `net.safetensors`. Both appear whole, or neither.
 *
 * Throws the errors of `pyTorchModule`; FormatError for a path that does not end in .py, and as `writeSafetensors`
 * does; AbortError.
 */
export async function writePyTorchModule(
  path: string,
  graph: Graph,
  { metadata = {}, recorded, preprocessing, signal, onProgress }: WritePyTorchModuleOptions = {},
): Promise<void> {
  const weights = weightsBeside(path);
  const [open] = parametersOf(graph);
  if (open) throw new FormatError(`${graph.name} has no numbers for ${open.name}; bind the graph first`);
  const text = pyTorchModule(graph, { weights: weights.replace(/^.*[\\/]/s, ""), preprocessing });
  const tensors = new Map(constantsOf(graph).map(({ name, source }) => [name, source]));
  const facts = { ...metadata, ...(recorded && { recorded: JSON.stringify({ input: "fixture:v1", ...recorded }) }) };
  const { header, data } = placeTensors(tensors, facts);
  const files = [
    { path: weights, pieces: [header, ...data.map(numbersOf)] },
    { path, pieces: [new TextEncoder().encode(text)] },
  ];
  await writeAtomic(files, { signal, onProgress, stage: "write weights" });
}

/** The path of a module's weights: `net.safetensors` for `net.py`. Throws FormatError for another ending. */
export function weightsBeside(path: string): string {
  if (/[^\\/]\.py$/i.test(path)) return path.replace(/\.py$/i, ".safetensors");
  throw new FormatError(`found ${JSON.stringify(path)} as the path of a PyTorch module, expected one that ends in .py`);
}
