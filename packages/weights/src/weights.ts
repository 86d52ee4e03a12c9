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
 * Who says how pictures become a model's input: the file's metadata; the list of known weights, which tells them by
 * their numbers; a published file's name, which anybody can give to another file; or whoever wrote the file, who says
 * that it was a guess.
 */
export type PreprocessingSource = "weights" | "known weights" | "file name" | "guess";

/** The facts that come with weights besides their tensors and metadata. */
export interface WeightsDetails {
  /** Known facts that the file does not contain; default: from the weights' numbers. */
  readonly known?: Known | undefined;
  readonly notes?: readonly string[] | undefined;
  readonly graph?: FileGraph | undefined;
  readonly stored?: Stored | undefined;
}

/** The contents of a file, before names are translated. */
export interface Stored {
  /** The name of the file in messages: its path, or another name. */
  readonly name: string;
  /** `safetensors`, `PyTorch`, `ONNX`, … */
  readonly format: string;
  /** The parameters, by their names in the file, in its order; not the other constants of its graph. */
  readonly tensors: ReadonlyMap<string, NamedSource>;
  /** The dtype of each tensor in the file, by PyTorch's names: bfloat16 numbers are read as float32. */
  readonly dtypes: ReadonlyMap<string, string>;
}

/** The graph of a file that has one, as .onnx files do. */
export interface FileGraph {
  /**
   * The tensors under the names of another graph's parameters, found by following the file's graph, and notes of what
   * of it is left out. Throws UnsupportedError, which tells the first difference, where the two compute otherwise.
   */
  fit(graph: Graph): { readonly tensors: ReadonlyMap<string, NamedSource>; readonly notes: readonly string[] };
  /** Why the file's graph is that of no model; undefined where the tensors have a model's names. */
  readonly mismatch: string | undefined;
  /** That of its norms, where all have the same: names and shapes do not show it. */
  readonly epsilon?: number | undefined;
}

/**
 * Named tensors and lazy sources, in their file's order, with what is known of them. `readWeights` makes them;
 * `toTorchvision` gives the tensors the names of a graph's parameters.
 */
export class Weights<Source extends NamedSource = NamedSource> {
  readonly tensors: ReadonlyMap<string, Source>;
  /** The file's own metadata, as text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Messages about how the weights were read, as sentences: tensors left out, with reasons. */
  readonly notes: readonly string[];
  readonly graph: FileGraph | undefined;
  /** The file that they were read from; undefined for tensors that were given. */
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

  /** The model that they are for, as the file calls it, or by its name in core. */
  get model(): string | undefined {
    return this.metadata.model ?? this.#known?.model;
  }

  /**
   * The model's structure, where no name stands for it. Throws FormatError where the file's metadata are malformed, or
   * say more blocks than the file has tensors.
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

  /** A part of the metadata. The FormatError of a malformed part begins with the file's name. */
  #ofFile<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof FormatError) || !this.stored) throw cause;
      throw new FormatError(`${this.stored.name}: ${cause.message}`, { cause });
    }
  }

  /** The source of the preprocessing; undefined if unknown. */
  get preprocessingSource(): PreprocessingSource | undefined {
    if (this.metadata.preprocessing !== undefined) return this.#isGuessed("preprocessing") ? "guess" : "weights";
    return this.#known?.preprocessing && this.#known.source;
  }

  /** The network's function of its logits, if the file says that it is not softmax: `sigmoid`. */
  get activation(): string | undefined {
    return this.metadata.activation;
  }

  /**
   * Added to the variance of each norm, where the file says it. Throws FormatError where its metadata say no positive
   * number.
   */
  get epsilon(): number | undefined {
    const { epsilon } = this.metadata;
    if (epsilon === undefined) return this.graph?.epsilon;
    return this.#ofFile(() => {
      if (Number(epsilon) > 0 && Number.isFinite(Number(epsilon))) return Number(epsilon);
      throw new FormatError(`epsilon: found ${quote(epsilon)}, expected a positive number`);
    });
  }

  /** The licence of their publication, SPDX. Undefined if unknown. */
  get license(): string | undefined {
    return this.metadata.license ?? this.#known?.license;
  }

  /** A name for each class, in order. Undefined where the file has no such list, or a blank one in it. */
  get labels(): readonly string[] | undefined {
    try {
      const names: unknown = JSON.parse(this.metadata.classes ?? "null");
      return Array.isArray(names) && names.every(isLabel) ? names : undefined;
    } catch {
      return undefined; // labels are an ornament: weights whose metadata has none to read still run
    }
  }

  /** Who says the labels: the file's metadata, or who wrote the file, as a guess. Undefined where it has none. */
  get labelsSource(): "weights" | "guess" | undefined {
    if (this.labels === undefined) return undefined;
    return this.#isGuessed("classes") ? "guess" : "weights";
  }

  /** Whether they are in the list of known weights, recognized by their numbers or their name. */
  get isKnown(): boolean {
    return this.#known?.source === "known weights";
  }

  /** Metadata that were a guess when the file was written stay one: `guessed` has their names. */
  #isGuessed(name: "preprocessing" | "classes"): boolean {
    return this.metadata.guessed?.split(",").includes(name) ?? false;
  }

  /** The same weights as ones that are known by a name. */
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
   * Those whose names begin with a prefix, without it. The dot after it need not be given. Throws WeightsError where
   * there are none.
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

/** The same weights with all numbers in memory. Throws FormatError where their file has changed. */
export async function readTensors(weights: Weights): Promise<Weights<Tensor>> {
  const read = new Map<string, Tensor>();
  for (const [name, source] of weights.tensors) read.set(name, await readTensor(source));
  return weights.withTensors(read, [], weights.graph);
}

function specOf(json: string): ResNetSpec {
  try {
    return JSON.parse(json) as ResNetSpec; // `resnet` checks it
  } catch (cause) {
    throw new FormatError("spec: found text that is not JSON, expected a model's structure", { cause });
  }
}

/** A blank text names no class. */
function isLabel(name: unknown): name is string {
  return typeof name === "string" && name.trim() !== "";
}
