import {
  type Answer,
  abortError,
  type BackendDescription,
  type Executable,
  type Graph,
  mapValues,
  type Preprocessing,
  ResidualError,
  type Shape,
  ShapeError,
  select,
  sizeOf,
  type Tensor,
  tensorOf,
  throwIfAborted,
  UnsupportedError,
  type WorkOptions,
} from "@residual/core";
import { unknownName } from "@residual/kit/names";
import {
  type Area,
  type CamPicture,
  cropArea,
  decodeImage,
  type Picture,
  type Prediction,
  preprocess,
  stack,
} from "@residual/vision";
import { checkOptions, checks } from "./check-options.ts";
import { outcomesOf, unlessAborted } from "./classify-all.ts";
import { kindOf } from "./kind-of.ts";
import { OptionError } from "./option-error.ts";
import { atATime, imageOf } from "./pictures.ts";
import { predictionsOf, rowsOf } from "./predictions.ts";
import type { Prepared } from "./prepare.ts";

export interface ClassifyOptions {
  /** Aborts the work, which then rejects with AbortError. */
  readonly signal?: WorkOptions["signal"];
  /** Number of classes per picture. Default 5 */
  readonly top?: number | undefined;
}

export interface ClassifyAllOptions extends ClassifyOptions {
  /** The most pictures of one run. Default: 32 for a small network, fewer for large images. */
  readonly batch?: number | undefined;
  /** Counts pictures. `total` is the number of pictures if it is known, as for an array; else it equals `done`. */
  readonly onProgress?: WorkOptions["onProgress"];
}

export interface CamOptions extends ClassifyOptions {
  /** The class of the map, by index or label. Default: the likeliest class. */
  readonly class?: number | string | undefined;
}

/** A class activation map, with the data that `overlayCam` needs to draw it over its picture. */
export interface ClassActivation extends CamPicture {
  /** The class of the map. */
  readonly prediction: Prediction;
  /** The result of `classify`. */
  readonly predictions: readonly Prediction[];
  /** The picture, decoded. */
  readonly pixels: CamPicture["pixels"];
  /** The contribution of each position to the class's logit, [H, W]. The mean plus the class's bias is the logit. */
  readonly map: Tensor<"float32">;
  /** The part of the picture that the model sees, and that the map covers. */
  readonly area: Area;
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
    const { signal, class: of, top = 5 } = options;
    checkOptions("cam", options, { signal: checks.signal, top: checks.anything, class: checks.anything });
    checkTop(top);
    if (Array.isArray(picture)) throw new OptionError("cam takes one picture; call it for each");
    const wanted = of === undefined ? undefined : classIndex(of, this);
    return this.#during(async () => {
      const { preprocessing, maxPixels } = this.#parts;
      const pixels = await decodeImage(picture, { signal, upright: preprocessing.upright, maxPixels });
      const executable = await this.#compiledFor(["logits", "cam"], signal);
      const { logits, cam } = await executable.run({ image: preprocess(pixels, preprocessing) }, { signal });
      const predictions = predictionsOf(rowsOf(logits!)[0]!, top, this);
      if (predictions instanceof ResidualError) throw predictions;
      const index = wanted ?? predictions[0]!.index;
      const all = predictionsOf(rowsOf(logits!)[0]!, logits!.shape[1]!, this) as readonly Prediction[];
      return {
        prediction: all.find((each) => each.index === index)!,
        predictions,
        pixels,
        map: mapOf(cam!, index),
        area: cropArea(pixels, preprocessing),
      };
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

/** Throws ShapeError as `topK` does, with the option's name in the message. */
function checkTop(top: number | undefined): void {
  const holds = top === undefined || (Number.isInteger(top) && top >= 1);
  if (!holds) throw new ShapeError("topK.K2", `\`top\` is ${kindOf(top)}, expected a whole number from 1`);
}

/** Throws OptionError for an index out of range, and for a label of no class or of several. */
function classIndex(given: unknown, { labels, graph, model }: Classifier): number {
  const classes = Number(graph.outputs.logits.shape[1]);
  if (typeof given === "number") {
    if (Number.isInteger(given) && given >= 0 && given < classes) return given;
    throw new OptionError(`there is no class ${given}; the classes of ${model} are 0 to ${classes - 1}`);
  }
  if (typeof given !== "string") throw new OptionError(`the class is ${kindOf(given)}, expected an index or a label`);
  if (!labels) throw new OptionError(`the classes of ${model} have no names; give the class as an index`);
  const found = labels.flatMap((label, index) => (label === given ? [index] : []));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new OptionError(unknownName(given, labels, "class", "the labels of the model"));
  throw new OptionError(`the classes ${found.join(" and ")} are both called ${given}; give the class as an index`);
}

/** The map [H, W] of one class, from the maps [1, classes, H, W] of a picture. */
function mapOf({ shape, data }: Answer, index: number): Tensor<"float32"> {
  const [height = 0, width = 0] = shape.slice(2);
  const size = height * width;
  return tensorOf("float32", [height, width], Float32Array.from(data.subarray(index * size, (index + 1) * size)));
}

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

function inFloat32({ dtype, shape, data }: Answer): Tensor<"float32"> {
  return tensorOf("float32", shape, dtype === "float32" ? data : Float32Array.from(data));
}

/** Batches of a value, concatenated. */
function joined(parts: readonly Tensor<"float32">[]): Tensor<"float32"> {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const rest = first!.shape.slice(1);
  const images = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const data = new Float32Array(images * sizeOf(rest));
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return tensorOf("float32", [images, ...rest], data);
}

/** [N, C, 1, 1] of the pooled features as [N, C], the shape used for comparisons. */
function flattened(name: string, { shape, data }: Tensor<"float32">): Tensor<"float32"> {
  const [images = 0, ...rest] = shape;
  return tensorOf("float32", name === "avgpool" ? [images, sizeOf(rest)] : shape, data);
}
