import { type NamedSource, readTensor, stridedTensor, type Tensor, type WorkOptions } from "@residual/core";
import { checkReadable } from "./decode-tensor.ts";
import { dtypeNames } from "./dtypes.ts";
import { knownByName, knownByNumbers } from "./known.ts";
import type { OpenFile } from "./open-file.ts";
import type { TensorEntry } from "./tensor-entry.ts";
import { type FileGraph, Weights } from "./weights.ts";

/** The positions of tensors in files of weights. The reader of a format makes it without reading numbers. */
export interface WeightsLayout {
  /** Tensors whose numbers are stored in files unchanged, little-endian and row-major. */
  readonly stretches: readonly Stretch[];
  /** Tensors whose numbers are not stored unchanged: they were compressed, quantized or split into chunks. */
  readonly made?: ReadonlyMap<string, Tensor>;
  /** Tensors with strides, by name. The tensor's entry covers all its numbers in the file. */
  readonly views?: ReadonlyMap<string, View>;
  /** All names, in the file's order. Default: the names of `stretches`, then those of `made`. */
  readonly order?: readonly string[];
  /** Tensors that are constants of the file's graph and not parameters: axes, sizes, a padding value. */
  readonly constants?: ReadonlySet<string>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly notes?: readonly string[];
  /**
   * Assigns the tensors to parameters by following the file's own graph, if the file has one. `known` is the model that
   * the tensors are known to belong to.
   */
  readonly follow?: (
    tensors: ReadonlyMap<string, NamedSource>,
    metadata: Readonly<Record<string, string>> | undefined,
    known: string | undefined,
  ) => FollowedTensors | undefined;
}

/** Tensors under their names in a graph, with metadata that include the model. */
export interface FollowedTensors {
  readonly tensors: ReadonlyMap<string, NamedSource>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  readonly graph: FileGraph;
}

/** Entries of one file. `offset` is in bytes; each entry's `begin` and `end` count from it. */
export interface Stretch {
  readonly file: OpenFile;
  readonly offset: number;
  readonly entries: readonly TensorEntry[];
}

/** The shape and strides of a tensor that is not stored in row-major order. Strides count elements. */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export interface ReadingOptions extends WorkOptions {
  /** The prefix of the requested tensors' names. Formats with a single set of tensors ignore it. */
  readonly prefix?: string | undefined;
  /** The part of a PyTorch checkpoint that is read: its network, or the state of its optimizer. Default "network" */
  readonly part?: "network" | "optimizer" | undefined;
}

/**
 * Reads the layout of one format. Throws FormatError for a damaged file, UnsupportedError for content that no supported
 * network has.
 */
export type FormatReader = (file: OpenFile, options: ReadingOptions) => Promise<WeightsLayout>;

/** From this total size in bytes on, tensors stay in their files and are read row by row. */
const LARGE = 32 << 20;

/** Makes the weights of a layout. Throws UnsupportedError for a dtype that core does not have. */
export async function weightsOf(
  layout: WeightsLayout,
  { name, place }: OpenFile,
  format: string,
  options: WorkOptions,
): Promise<Weights> {
  for (const { file, entries } of layout.stretches) for (const entry of entries) checkReadable(entry, file.name);
  const sizes = layout.stretches.map(({ entries }) => entries.reduce((end, entry) => Math.max(end, entry.end), 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const found = new Map<string, NamedSource>();
  let before = 0;
  for (const [i, { file, offset, entries }] of layout.stretches.entries()) {
    const read = before;
    const onProgress: WorkOptions["onProgress"] = ({ stage, done }) =>
      options.onProgress?.({ stage, done: read + done, total });
    const tensors = await file.tensors(entries, offset, { ...options, onProgress, isLazy: total >= LARGE });
    for (const [name, source] of tensors) found.set(name, source);
    before += sizes[i]!;
  }
  for (const [name, { shape, strides }] of layout.views ?? []) {
    const { dtype, data } = await readTensor(found.get(name)!);
    found.set(name, stridedTensor(dtype, data, shape, strides));
  }
  for (const [name, tensor] of layout.made ?? []) found.set(name, tensor);
  const tensors = layout.order ? new Map(layout.order.map((name) => [name, found.get(name)!])) : found;
  const { model, preprocessing } = layout.metadata ?? {};
  const isSaid = model !== undefined && preprocessing !== undefined;
  const known = knownByNumbers(tensors) ?? (isSaid ? undefined : await knownByName(place));
  const named = layout.follow?.(tensors, layout.metadata, known?.model);
  const notes = [...(layout.notes ?? []), ...(named?.notes ?? [])];
  return new Weights(named?.tensors ?? tensors, named?.metadata ?? layout.metadata, {
    known,
    notes,
    graph: named?.graph,
    stored: { name, format, tensors: parametersIn(layout, tensors), dtypes: dtypesOf(layout, tensors) },
  });
}

function parametersIn({ constants }: WeightsLayout, tensors: ReadonlyMap<string, NamedSource>): typeof tensors {
  return constants ? new Map([...tensors].filter(([name]) => !constants.has(name))) : tensors;
}

/** The dtype of each tensor in the file, by PyTorch's name. */
function dtypesOf(
  { stretches }: WeightsLayout,
  tensors: ReadonlyMap<string, NamedSource>,
): ReadonlyMap<string, string> {
  const stored = new Map(
    stretches.flatMap(({ entries }) => entries.map(({ name, dtype }) => [name, dtypeNames[dtype]])),
  );
  return new Map([...tensors].map(([name, { dtype }]) => [name, stored.get(name) ?? dtype]));
}
