import {
  FormatError,
  type Graph,
  modelNameOf,
  type NamedSource,
  type Preprocessing,
  type ResNetSpec,
  readPreprocessing,
  readTensor,
  type Tensor,
  WeightsError,
} from "@residual/core";
import { quote } from "./json-reader.ts";
import type { KnownWeights } from "./known/known-weights.ts";
import { type Known, knownByNumbers } from "./known.ts";

/**
 * The origin of the preprocessing: the file's metadata; the list of known weights, which recognizes weights by their
 * numbers; the name of a published file, which any file can have; or the writer of the file, who marked it as a guess.
 */
export type PreprocessingSource = "weights" | "known weights" | "file name" | "guess";

/** Facts about weights besides their tensors and metadata. */
export interface WeightsDetails {
  /** Facts that the file does not contain. Default: found by the weights' numbers. */
  readonly known?: Known | undefined;
  readonly notes?: readonly string[] | undefined;
  readonly graph?: FileGraph | undefined;
  readonly stored?: Stored | undefined;
}

/** The contents of a file, before tensors are renamed. */
export interface Stored {
  /** The file's name in messages: its path, or another name. */
  readonly name: string;
  /** The format, such as `safetensors`, `PyTorch` or `ONNX`. */
  readonly format: string;
  /** The parameters by their names in the file, in its order, without other constants of the file's graph. */
  readonly tensors: ReadonlyMap<string, NamedSource>;
  /**
   * The dtype of each tensor in the file, by PyTorch's name. It may differ from the tensor's: bfloat16 is read as
   * float32.
   */
  readonly dtypes: ReadonlyMap<string, string>;
}

/** The graph in a file, as in .onnx files. */
export interface FileGraph {
  /**
   * Names the tensors after another graph's parameters, by following the file's graph. The notes list parts of the
   * file's graph that are left out. Throws UnsupportedError with the first difference if the graphs compute different
   * functions.
   */
  fit(graph: Graph): { readonly tensors: ReadonlyMap<string, NamedSource>; readonly notes: readonly string[] };
  /** Why no model has the file's graph; undefined if the tensors have a model's names. */
  readonly mismatch: string | undefined;
  /** The epsilon of the graph's norms, if all norms have the same. Names and shapes do not show it. */
  readonly epsilon?: number | undefined;
}

/**
 * Named tensors and lazy sources in their file's order, with the known facts about them. `readWeights` makes them;
 * `toTorchvision` gives the tensors the names of a graph's parameters.
 */
export class Weights<Source extends NamedSource = NamedSource> {
  readonly tensors: ReadonlyMap<string, Source>;
  /** The file's own metadata, as text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Messages about how the weights were read, as sentences: tensors left out, with reasons. */
  readonly notes: readonly string[];
  readonly graph: FileGraph | undefined;
  /** The file that the weights were read from; undefined for tensors in memory. */
  readonly stored: Stored | undefined;
  readonly #known: Known | undefined;

  constructor(
    tensors: ReadonlyMap<string, Source>,
    metadata: Readonly<Record<string, string>> = {},
    details: WeightsDetails = {},
  ) {
    const known = "known" in details ? details.known : knownByNumbers(tensors);
    this.tensors = tensors;
    this.metadata = metadata;
    this.notes = details.notes ?? [];
    this.graph = details.graph;
    this.stored = details.stored;
    const isOfAnotherModel = metadata.model !== undefined && modelNameOf(metadata.model) !== known?.model;
    this.#known = isOfAnotherModel ? undefined : known;
  }

  /** The model, by its name in the file or in core. */
  get model(): string | undefined {
    return this.metadata.model ?? this.#known?.model;
  }

  /**
   * The model's structure, if the metadata have it instead of a name. Throws FormatError if the metadata are malformed,
   * or list more blocks than the file has tensors.
   */
  get spec(): ResNetSpec | undefined {
    if (this.metadata.spec === undefined) return undefined;
    return this.#ofFile(() => {
      const spec = specOf(this.metadata.spec!);
      const depths: readonly unknown[] = Array.isArray(spec?.depths) ? spec.depths : [];
      const blocks = depths.reduce((sum: number, depth) => sum + Number(depth), 0);
      if (blocks > this.tensors.size)
        throw new FormatError(
          `depths: found ${blocks} blocks in all, expected at most one for each of the file's ${this.tensors.size} ` +
            "tensors; the weights are of another network than the configuration",
        );
      return spec;
    });
  }

  /** The preprocessing of pictures. Throws FormatError if the file's metadata are malformed. */
  get preprocessing(): Preprocessing | undefined {
    const { preprocessing } = this.metadata;
    if (preprocessing === undefined) return this.#known?.preprocessing;
    return this.#ofFile(() => readPreprocessing(preprocessing));
  }

  /** Reads a part of the metadata. The FormatError of a malformed part begins with the file's name. */
  #ofFile<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof FormatError) || !this.stored) throw cause;
      throw new FormatError(`${this.stored.name}: ${cause.message}`, { cause });
    }
  }

  /** The origin of the preprocessing; undefined if there is none. */
  get preprocessingSource(): PreprocessingSource | undefined {
    if (this.metadata.preprocessing !== undefined) return this.#isGuessed("preprocessing") ? "guess" : "weights";
    return this.#known?.preprocessing && this.#known.source;
  }

  /** The function after the logits, if the file names another one than softmax, such as `sigmoid`. */
  get activation(): string | undefined {
    return this.metadata.activation;
  }

  /**
   * The number that norms add to the variance, if the file has it. Throws FormatError if the metadata's value is not a
   * positive number.
   */
  get epsilon(): number | undefined {
    const { epsilon } = this.metadata;
    if (epsilon === undefined) return this.graph?.epsilon;
    return this.#ofFile(() => {
      if (Number(epsilon) > 0 && Number.isFinite(Number(epsilon))) return Number(epsilon);
      throw new FormatError(`epsilon: found ${quote(epsilon)}, expected a positive number`);
    });
  }

  /** The licence of the published weights, as an SPDX identifier. Undefined if unknown. */
  get license(): string | undefined {
    return this.metadata.license ?? this.#known?.license;
  }

  /** The name of each class, in order. Undefined if the file has no list of names, or if a name is blank. */
  get labels(): readonly string[] | undefined {
    try {
      const names: unknown = JSON.parse(this.metadata.classes ?? "null");
      return Array.isArray(names) && names.every(isLabel) ? names : undefined;
    } catch {
      return undefined; // weights run without labels, so malformed ones are ignored
    }
  }

  /** The origin of the labels: the file's metadata, or a guess of the file's writer. Undefined without labels. */
  get labelsSource(): "weights" | "guess" | undefined {
    if (this.labels === undefined) return undefined;
    return this.#isGuessed("classes") ? "guess" : "weights";
  }

  /** Whether the list of known weights has these, recognized by their numbers or their name. */
  get isKnown(): boolean {
    return this.#known?.source === "known weights";
  }

  /** Whether a part of the metadata is a guess. The file's writer listed such parts in `guessed`. */
  #isGuessed(name: "preprocessing" | "classes"): boolean {
    return this.metadata.guessed?.split(",").includes(name) ?? false;
  }

  /** The same weights, with the facts of known weights. */
  knownAs({ model, preprocessing, license }: KnownWeights): Weights<Source> {
    const known: Known = {
      model,
      preprocessing: preprocessing ?? this.preprocessing,
      license,
      source: "known weights",
    };
    return new Weights(this.tensors, this.metadata, {
      known,
      notes: this.notes,
      graph: this.graph,
      stored: this.stored,
    });
  }

  /** The same weights with other metadata. `notes` are appended. */
  withMetadata(metadata: Readonly<Record<string, string>>, notes: readonly string[] = []): Weights<Source> {
    const { graph, stored } = this;
    return new Weights(this.tensors, metadata, { known: this.#known, notes: [...this.notes, ...notes], graph, stored });
  }

  /** The same weights with other tensors: renamed, read, or fewer. `notes` are appended. */
  withTensors<Other extends NamedSource>(
    tensors: ReadonlyMap<string, Other>,
    notes: readonly string[] = [],
    graph?: FileGraph,
  ): Weights<Other> {
    const details = { known: this.#known, notes: [...this.notes, ...notes], stored: this.stored, graph };
    return new Weights(tensors, this.metadata, details);
  }

  /**
   * The tensors whose names begin with a prefix, without the prefix. The dot after the prefix is optional. Throws
   * WeightsError if there are none.
   */
  under(prefix: string): Weights<Source> {
    const found = [...this.tensors].filter(([name]) => name.startsWith(prefix));
    const dot = found.every(([name]) => name[prefix.length] === ".") ? 1 : 0;
    if (found.length > 0) {
      const bare = new Map(found.map(([name, source]) => [name.slice(prefix.length + dot), source]));
      const stored = this.stored && {
        ...this.stored,
        tensors: new Map([...this.stored.tensors].filter(([name]) => name.startsWith(prefix))),
      };
      return new Weights(bare, this.metadata, { known: this.#known, notes: this.notes, stored });
    }
    const [first = "nothing"] = this.tensors.keys();
    throw new WeightsError(
      `found no tensor under ${quote(prefix)} among ${this.tensors.size}, ` +
        `the first of which is ${quote(first)}; give another prefix`,
    );
  }
}

/** Reads all numbers to memory. Throws FormatError if the file has changed. */
export async function readTensors(weights: Weights): Promise<Weights<Tensor>> {
  const read = new Map<string, Tensor>();
  for (const [name, source] of weights.tensors) read.set(name, await readTensor(source));
  return weights.withTensors(read, [], weights.graph);
}

function specOf(json: string): ResNetSpec {
  try {
    return JSON.parse(json) as ResNetSpec; // checked by `resnet`
  } catch (cause) {
    throw new FormatError("spec: found text that is not JSON, expected a model's structure", { cause });
  }
}

/** Whether a value is the name of a class. Blank text is not. */
function isLabel(name: unknown): name is string {
  return typeof name === "string" && name.trim() !== "";
}
