import type { RawTensor, RawTensors } from "../session.ts";

// Loaded in the worker, so it does not import @residual/core.

/**
 * The part of onnxruntime-node's interface that Residual uses; onnxruntime-web has the same. Declared here, so that the
 * package's types need neither.
 */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: SessionOptions): Promise<InferenceSession>;
    create(model: Uint8Array, options: SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OnnxTensor;
}

interface InferenceSession {
  run(feeds: Feeds): Promise<Feeds>;
  release(): Promise<void>;
}

interface OnnxTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}

type Feeds = { readonly [name: string]: OnnxTensor };

/** The options of onnxruntime's sessions that Residual uses. */
export interface SessionOptions {
  readonly executionProviders?: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly interOpNumThreads?: number;
  readonly enableMemPattern?: boolean;
  readonly graphOptimizationLevel?: "all";
  readonly logSeverityLevel?: 4;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * The form in which onnxruntime gets a model: the path of a file that it maps, or bytes, with or without separate
 * weights.
 */
export interface ModelSource {
  readonly model: string | Uint8Array<ArrayBuffer>;
  readonly externalData?: { readonly path: string; readonly data: Uint8Array<ArrayBuffer> };
  readonly variables?: readonly SourceVariable[];
}

/** A variable of a model: the names of its input and output in the model, and its value before the first run. */
export interface SourceVariable {
  readonly name: string;
  readonly input: string;
  readonly update: string;
  readonly initial: RawTensor;
}

function createSession(
  runtime: OnnxRuntime,
  { model, externalData }: ModelSource,
  options: SessionOptions,
): Promise<InferenceSession> {
  const all = { ...options, ...(externalData && { externalData: [externalData] }) };
  return typeof model === "string"
    ? runtime.InferenceSession.create(model, all)
    : runtime.InferenceSession.create(model, all);
}

/**
 * A session with its state. Updates of a run take effect only when they are committed, since the caller may abort the
 * run.
 */
export class StatefulSession {
  readonly #runtime: OnnxRuntime;
  readonly #session: InferenceSession;
  readonly #variables: readonly SourceVariable[];
  #state: Feeds;
  /** The values of the variables once the last run is committed. */
  #next: Feeds | undefined;

  private constructor(runtime: OnnxRuntime, session: InferenceSession, variables: readonly SourceVariable[]) {
    this.#runtime = runtime;
    this.#session = session;
    this.#variables = variables;
    this.#state = this.#feeds(Object.fromEntries(variables.map(({ input, initial }) => [input, initial])));
  }

  static async create(runtime: OnnxRuntime, source: ModelSource, options: SessionOptions): Promise<StatefulSession> {
    return new StatefulSession(runtime, await createSession(runtime, source, options), source.variables ?? []);
  }

  async run(inputs: RawTensors): Promise<RawTensors> {
    this.#next = undefined;
    const answers = { ...(await this.#session.run({ ...this.#feeds(inputs), ...this.#state })) };
    if (this.#variables.length > 0) {
      const state = this.#variables.map(({ input, update }) => [input, answers[update]!] as const);
      for (const { update } of this.#variables) delete answers[update];
      this.#next = Object.fromEntries(state);
    }
    return mapTensors(answers);
  }

  /** Copies of variables. */
  read(names: readonly string[]): RawTensors {
    const asked = this.#variables.filter(({ name }) => names.includes(name));
    const tensors = mapTensors(Object.fromEntries(asked.map(({ name, input }) => [name, this.#state[input]!])));
    return Object.fromEntries(
      Object.entries(tensors).map(([name, each]) => [name, { ...each, data: each.data.slice() }]),
    );
  }

  /** Replaces the variables by the updates of the last run. */
  commit(): void {
    this.#state = this.#next ?? this.#state;
    this.#next = undefined;
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  #feeds(inputs: RawTensors): Feeds {
    return Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, data }]) => [name, new this.#runtime.Tensor("float32", data, shape)]),
    );
  }
}

function mapTensors(values: Feeds): RawTensors {
  return Object.fromEntries(
    Object.entries(values).map(([name, { dims, data }]): [string, RawTensor] => [
      name,
      { shape: dims, data: data as Float32Array<ArrayBuffer> },
    ]),
  );
}
