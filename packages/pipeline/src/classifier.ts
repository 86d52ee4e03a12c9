import {
  abortError,
  type BackendDescription,
  type Executable,
  type Graph,
  mapValues,
  type Preprocessing,
  ResidualError,
  type Shape,
  select,
  sizeOf,
  type Tensor,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { type Picture, type Prediction, stack } from "@residual/vision";
import { checkOptions, checks } from "./check-options.ts";
import {
  activationOf,
  type CamOptions,
  type ClassActivation,
  type ClassifyOptions,
  checkCam,
  checkTop,
} from "./class-activation.ts";
import { outcomesOf, unlessAborted } from "./classify-all.ts";
import { OptionError } from "./option-error.ts";
import { atATime, imageOf, readPicture } from "./pictures.ts";
import { predictionsOf, rowsOf } from "./predictions.ts";
import type { Prepared } from "./prepare.ts";
import { flattened, inFloat32, joined } from "./tensors.ts";

export interface ClassifyAllOptions extends ClassifyOptions {
  /** The most pictures of one run. Default: 32 for a small network, fewer for large images. */
  readonly batch?: number | undefined;
  /** Counts pictures. `total` is the number of pictures if it is known, as for an array; else it equals `done`. */
  readonly onProgress?: WorkOptions["onProgress"];
}

/** A picture with its likeliest classes, or with its error. */
export type Classified<Given = Picture> =
  | { readonly picture: Given; readonly predictions: readonly Prediction[]; readonly error?: never }
  | { readonly picture: Given; readonly predictions?: never; readonly error: ResidualError };

/** The backend of a classifier. */
export interface UsedBackend extends BackendDescription {
  readonly name: string;
  /** The reason for the backend, in one line. */
  readonly reason: string;
}

/**
 * A compiled model with its preprocessing and labels. `dispose` waits for pending calls and then frees all memory;
 * later calls throw UnsupportedError.
 *
 * `Names` are the names of the model's values, if the compiler can know them.
 */
export interface Classifier<Names extends string = string> extends AsyncDisposable {
  readonly model: string;
  readonly weights: string;
  readonly backend: UsedBackend;
  readonly preprocessing: Preprocessing;
  /** A name for each class; undefined if unknown. Predictions then have only an index. */
  readonly labels: readonly string[] | undefined;
  /** Messages for the user, as sentences: guesses, and weights that were left out. */
  readonly notes: readonly string[];
  /** The model bound to its weights: plain data, for another backend or for `select`. */
  readonly graph: Graph<"image", "logits", Names>;
  /** The compiled model: tensors in, logits out. */
  readonly executable: Executable<"image", "logits", "float32">;
  /**
   * The `top` likeliest classes of a picture, likeliest first. Throws FormatError for a damaged or unknown picture,
   * WeightsError if the model's output is NaN or infinite, AbortError.
   */
  classify(picture: Picture, options?: ClassifyOptions): Promise<readonly Prediction[]>;
  /**
   * `classify` for many pictures, in order, each as soon as it is ready. The next pictures are decoded while the model
   * runs. A picture that fails has its error as result; the others continue. Leaving the loop stops the work.
   *
   * Throws errors of the pictures' source and of the backend, AbortError.
   */
  classifyAll<Given extends Picture>(
    pictures: Iterable<Given> | AsyncIterable<Given>,
    options?: ClassifyAllOptions,
  ): AsyncGenerator<Classified<Given>, void, undefined>;
  /**
   * Values within the model, by their names: stages (`avgpool`, `layer3`), blocks (`layer4.2`), or any other value that
   * `residual summary` prints. One picture is a batch of 1, an array of N pictures a batch of N. `avgpool` is flattened
   * to [N, C]; every other value has its shape in the graph.
   *
   * The model is compiled once for each set of names; `dispose` frees that too. Throws ShapeError for an unknown name,
   * and as `classify` does.
   */
  features<const Name extends NoInfer<Names>>(
    name: Name,
    pictures: Picture | readonly Picture[],
    options?: Pick<ClassifyOptions, "signal">,
  ): Promise<Tensor<"float32">>;
  features<const Name extends NoInfer<Names>>(
    names: readonly Name[],
    pictures: Picture | readonly Picture[],
    options?: Pick<ClassifyOptions, "signal">,
  ): Promise<{ readonly [K in Name]: Tensor<"float32"> }>;
  /**
   * The class activation map of a picture (Zhou et al. 2016): which positions contribute to a class. Needs no gradient.
   * `overlayCam` of `@residual/vision` draws it over the picture: `overlayCam(await classifier.cam("cat.png"))`.
   *
   * The model is compiled once more, for logits and maps; `dispose` frees that too. Throws OptionError for an unknown
   * class, ShapeError for a model that does not end in global average pooling and one linear layer, and as `classify`
   * does.
   */
  cam(picture: Picture, options?: CamOptions): Promise<ClassActivation>;
  dispose(): Promise<void>;
}

export interface ClassifierParts {
  readonly prepared: Omit<Prepared, "graph"> & { readonly graph: Graph<"image", "logits"> };
  readonly preprocessing: Preprocessing;
  readonly backend: UsedBackend;
  readonly executable: Executable<"image", "logits">;
  readonly maxPixels: number | undefined;
  /** Compiles the graph again, with other outputs, on the same backend. */
  compile(graph: Graph<"image">, work: WorkOptions): Promise<Executable<"image">>;
}

/** Numbers of the images of one run: 32 images of 32 × 32 pixels, 4 of 224 × 224. */
const LARGEST_BATCH = { images: 32, numbers: 4 * 3 * 224 * 224 };

/** The batch that makes runs faster without using much memory. */
export function batchFor([, ...image]: Shape): number {
  const fitting = Math.floor(LARGEST_BATCH.numbers / sizeOf(image as readonly number[]));
  return Math.max(1, Math.min(LARGEST_BATCH.images, fitting));
}

export class ModelClassifier implements Classifier {
  readonly model: string;
  readonly weights: string;
  readonly backend: UsedBackend;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
  readonly notes: readonly string[];
  readonly graph: Graph<"image", "logits">;
  readonly executable: Executable<"image", "logits", "float32">;
  readonly #parts: ClassifierParts;
  readonly #features = new Map<string, SharedCompile>();
  readonly #underWay = new Set<Promise<unknown>>();
  #isDisposed = false;

  constructor(parts: ClassifierParts) {
    const { prepared, preprocessing, backend, executable } = parts;
    this.#parts = parts;
    this.model = prepared.model;
    this.weights = prepared.weights;
    this.labels = prepared.labels;
    this.notes = prepared.notes;
    this.graph = prepared.graph;
    this.preprocessing = preprocessing;
    this.backend = backend;
    this.executable = {
      run: async (inputs, options) => ({ logits: inFloat32((await executable.run(inputs, options)).logits) }),
      read: async (names, options) => mapValues(await executable.read(names, options), inFloat32),
      dispose: () => executable.dispose(),
      [Symbol.asyncDispose]: () => executable.dispose(),
    };
  }

  async classify(picture: Picture, options: ClassifyOptions = {}): Promise<readonly Prediction[]> {
    checkOptions("classify", options, { signal: checks.signal, top: checks.anything });
    checkTop(options.top);
    if (Array.isArray(picture)) throw new OptionError("classify takes one picture; for many there is classifyAll");
    return this.#during(async () => {
      const image = await imageOf(picture, this.#parts, options.signal);
      const [found] = await this.#predict([image], options);
      if (found instanceof ResidualError) throw found;
      return found!;
    });
  }

  async *classifyAll<Given extends Picture>(
    pictures: Iterable<Given> | AsyncIterable<Given>,
    options: ClassifyAllOptions = {},
  ): AsyncGenerator<Classified<Given>, void, undefined> {
    checkOptions("classifyAll", options, allChecks);
    checkTop(options.top);
    const { signal, onProgress, batch = batchFor(this.graph.inputs.image.shape) } = options;
    const total = countOf(pictures);
    let done = 0;
    const outcomes = outcomesOf(pictures, {
      decode: (picture, stop) => this.#during(() => imageOf(picture, this.#parts, stop)),
      run: (images) => this.#during(() => this.#predict(images, options)),
      batch,
      signal,
    });
    for await (const { picture, answer, error } of outcomes) {
      if (error && this.#isDisposed) throw error;
      done++;
      onProgress?.({ stage: "classify", done, total: total ?? done });
      yield error ? { picture, error } : { picture, predictions: answer };
    }
  }

  features(name: string, pictures: Picture | readonly Picture[], options?: ClassifyOptions): Promise<Tensor<"float32">>;
  features(
    names: readonly string[],
    pictures: Picture | readonly Picture[],
    options?: ClassifyOptions,
  ): Promise<{ readonly [name: string]: Tensor<"float32"> }>;
  async features(
    names: string | readonly string[],
    pictures: Picture | readonly Picture[],
    options: ClassifyOptions = {},
  ): Promise<Tensor<"float32"> | { readonly [name: string]: Tensor<"float32"> }> {
    checkOptions("features", options, { signal: checks.signal });
    const list = typeof names === "string" ? [names] : names;
    checkNames(list);
    const given = (Array.isArray(pictures) ? Array.from(pictures) : [pictures]) as readonly Picture[]; // without holes
    if (given.length === 0) throw new OptionError("features: there are no pictures, expected one or more");
    const found = await this.#during(() => this.#featuresOf(list, given, options));
    return typeof names === "string" ? found[names]! : found;
  }

  async cam(picture: Picture, options: CamOptions = {}): Promise<ClassActivation> {
    const wanted = checkCam(options, Number(this.graph.outputs.logits.shape[1]), this);
    if (Array.isArray(picture)) throw new OptionError("cam takes one picture; call it for each");
    const { signal, top = 5 } = options;
    return this.#during(async () => {
      const { pixels, image } = await readPicture(picture, this.#parts, signal);
      const executable = await this.#compiledFor(["logits", "cam"], signal);
      const { logits, cam } = await executable.run({ image }, { signal });
      return activationOf({ logits: logits!, cam: cam! }, pixels, wanted, top, this);
    });
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await Promise.allSettled(this.#underWay); // a picture that is still being decoded has not reached the executable
    const features = await Promise.allSettled([...this.#features.values()].map(({ compiling }) => compiling));
    this.#features.clear();
    const executables = features.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
    await Promise.all([this.#parts.executable, ...executables].map((each) => each.dispose()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** For each image its predictions, or the error of its logits. */
  async #predict(
    images: readonly Tensor<"float32">[],
    { signal, top = 5 }: ClassifyOptions,
  ): Promise<readonly (readonly Prediction[] | ResidualError)[]> {
    const { logits } = await this.#parts.executable.run({ image: stack(images) }, { signal });
    return rowsOf(logits).map((row) => predictionsOf(row, top, this));
  }

  /** In batches, so that the activations of many pictures are not in memory at once. */
  async #featuresOf(names: readonly string[], pictures: readonly Picture[], { signal }: ClassifyOptions) {
    const executable = await this.#compiledFor(names, signal);
    const batch = batchFor(this.graph.inputs.image.shape);
    const decoding = atATime();
    const parts: { readonly [name: string]: Tensor<"float32"> }[] = [];
    for (let start = 0; start < pictures.length; start += batch) {
      const some = pictures.slice(start, start + batch);
      const images = await Promise.all(some.map((each) => decoding(() => imageOf(each, this.#parts, signal))));
      parts.push(mapValues(await executable.run({ image: stack(images) }, { signal }), inFloat32));
    }
    return Object.fromEntries(
      names.map((name) => [name, flattened(name, joined(parts.map((part) => part[name]!)))] as const),
    );
  }

  #compiledFor(names: readonly string[], signal: ClassifyOptions["signal"]): Promise<Executable<"image">> {
    const key = [...new Set(names)].toSorted().join("\n");
    const known = this.#features.get(key);
    if (known && !known.isStopped) return known.get(signal);
    const shared = new SharedCompile((signal) =>
      this.#during(() => this.#parts.compile(select(this.graph, names), { signal })),
    );
    this.#features.set(key, shared);
    const forget = () => this.#features.get(key) === shared && this.#features.delete(key);
    shared.compiling.catch(forget); // the next call tries again
    return shared.get(signal);
  }

  /** Work that `dispose` waits for. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isDisposed) throw new UnsupportedError(`${this.model}: the classifier is disposed; load it again`);
    const mine = work();
    this.#underWay.add(mine);
    try {
      return await mine;
    } finally {
      this.#underWay.delete(mine);
    }
  }
}

/** One compile for all calls that need it: it is aborted only when all of these calls are aborted. */
class SharedCompile {
  readonly compiling: Promise<Executable<"image">>;
  readonly #stop = new AbortController();
  #waiting = 0;
  #isDone = false;

  constructor(compile: (stop: AbortSignal) => Promise<Executable<"image">>) {
    this.compiling = compile(this.#stop.signal).then(async (executable) => {
      this.#isDone = true;
      if (!this.isStopped) return executable;
      await executable.dispose(); // the compile finished after all callers had aborted
      throw abortError(this.#stop.signal);
    });
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async get(signal: ClassifyOptions["signal"]): Promise<Executable<"image">> {
    throwIfAborted(signal);
    this.#waiting++;
    try {
      return await unlessAborted(this.compiling, signal);
    } finally {
      this.#waiting--;
      if (signal?.aborted && this.#waiting === 0 && !this.#isDone) this.#stop.abort(signal.reason);
    }
  }
}

const allChecks = {
  signal: checks.signal,
  top: checks.anything,
  batch: checks.count,
  onProgress: checks.callback,
};

function checkNames(names: unknown): asserts names is readonly string[] {
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string")) return;
  throw new OptionError('features takes a name such as "avgpool", or a list of names, before the pictures');
}

/** The number of pictures, if their source has a length. */
function countOf(pictures: unknown): number | undefined {
  try {
    const { length, size } = pictures as { readonly length?: unknown; readonly size?: unknown };
    return [length, size].find((count) => typeof count === "number");
  } catch {
    return undefined; // a getter may throw; the pictures can be read nevertheless
  }
}
