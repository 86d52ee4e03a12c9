import {
  AbortError,
  type Executable,
  type NamedSources,
  type RealTensor,
  readTensor,
  type Tensor,
  tensorOf,
  withVariables,
} from "@residual/core";
import { encodeSafetensors } from "@residual/weights";
import type { BatchMaker } from "../batches/batch-maker.ts";
import type { IndexedBatch } from "../batches/batches.ts";
import type { UnreadablePicture } from "../batches/make-batch.ts";
import { shouldStop } from "../metrics/early-stopping.ts";
import { type Judged, judge } from "../metrics/judged.ts";
import { scores } from "../metrics/metrics.ts";
import { type Checkpoint, checkRecipe, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { evaluate } from "./evaluate.ts";
import { Pace } from "./events.ts";
import { firstNonFiniteValue, NonFiniteError, type NonFiniteValue, nonFiniteIn } from "./non-finite.ts";
import type { FitOptions } from "./options.ts";
import type { Plan } from "./prepare.ts";
import { type EpochRecord, initialState, isBetter, noSums, type TrainingState } from "./state.ts";
import type { Store } from "./store.ts";

/** The weights of a network, in float32. */
type Weights = ReadonlyMap<string, Tensor<"float32">>;

/** A run of training under way: its state, and the executable that holds its variables. */
export class Run implements AsyncDisposable {
  readonly plan: Plan;
  readonly #options: FitOptions;
  readonly #store: Store;
  readonly #maker: BatchMaker;
  readonly #executable: Executable<string, "loss" | "logits">;
  readonly #pace = new Pace();
  #state: TrainingState;
  #saved = performance.now();
  #stepsSinceSaved = 0;
  #judged: { readonly epoch: number; readonly judged: readonly Judged[] } | undefined;

  private constructor(
    plan: Plan,
    options: FitOptions,
    parts: {
      readonly store: Store;
      readonly maker: BatchMaker;
      readonly executable: Executable<string, "loss" | "logits">;
      readonly state: TrainingState;
    },
  ) {
    this.plan = plan;
    this.#options = options;
    this.#store = parts.store;
    this.#maker = parts.maker;
    this.#executable = parts.executable;
    this.#state = parts.state;
  }

  /** Begins a run, or goes on from the checkpoint in the store. Throws OptionError if that is of another run. */
  static async begin(plan: Plan, options: FitOptions, store: Store, maker: BatchMaker): Promise<Run> {
    const { variables, state } = await lastCheckpoint(plan, options, store);
    const executable = await plan.backend.compile(withVariables(plan.step, variables), { signal: options.signal });
    const run = new Run(plan, options, { store, maker, executable, state });
    const { course, batch } = plan;
    options.onEvent?.({
      kind: "start",
      done: course.countTo(state),
      steps: course.batches,
      stepsPerEpoch: course.batchesPerEpoch,
      batch,
      pictures: options.train.examples.length,
      history: state.history,
    });
    return run;
  }

  get state(): TrainingState {
    return this.#state;
  }

  get isOver(): boolean {
    const { epoch, batch, history } = this.#state;
    const { earlyStopping, epochs } = this.#options;
    return epoch >= epochs || (batch === 0 && earlyStopping !== undefined && shouldStop(history, earlyStopping));
  }

  /** The batches that are left of the epoch. */
  batches(): AsyncGenerator<IndexedBatch> {
    this.#pace.begin();
    return this.plan.course.batchesFrom(this.#state, this.#maker, this.#options.signal);
  }

  /** One step. Throws NonFiniteError if its loss is not a finite number. */
  async step(batch: IndexedBatch): Promise<void> {
    const { signal } = this.#options;
    for (const picture of batch.unreadable) this.#warnOf(picture);
    const inputs = this.plan.course.inputsOf(batch, this.#state);
    const { loss, logits } = await this.#executable.run(inputs, { signal });
    if (nonFiniteIn(loss)) throw await this.#explain();
    const learningRate = this.plan.course.rateAt(this.#state);
    const right = judge(logits, batch.labels, batch.indices).filter(({ rank }) => rank === 0).length;
    const { sums } = this.#state;
    this.#state = {
      ...this.#state,
      batch: this.#state.batch + 1,
      sums: {
        loss: sums.loss + loss.data[0]!,
        correct: sums.correct + right,
        images: sums.images + batch.labels.length,
        batches: sums.batches + 1,
      },
    };
    this.#stepsSinceSaved++;
    this.#tell(loss.data[0]!, learningRate);
  }

  get isCheckpointDue(): boolean {
    const { checkpointEvery = { seconds: 30 } } = this.#options;
    if ("steps" in checkpointEvery) return this.#stepsSinceSaved >= checkpointEvery.steps;
    return performance.now() - this.#saved >= 1000 * checkpointEvery.seconds;
  }

  /** Judges the weights, and keeps them if they are the best so far. Writes a checkpoint. */
  async endEpoch(): Promise<void> {
    const { bestBy, train } = this.#options;
    const variables = await this.#read();
    const weights = await this.#weightsOf(variables);
    const judged = await this.#judge(weights);
    const { epoch, sums, history, best } = this.#state;
    const { loss, accuracy, top5 } = scores(judged, train.labels.length);
    const last = { epoch, batch: this.plan.course.batchesPerEpoch - 1 };
    const record: EpochRecord = {
      epoch: epoch + 1,
      learningRate: this.plan.course.rateAt(last),
      trainLoss: sums.loss / sums.batches,
      trainAccuracy: sums.correct / sums.images,
      loss,
      accuracy,
      top5,
    };
    const isBest = isBetter(record, best, bestBy);
    if (isBest) this.#judged = { epoch: record.epoch, judged };
    this.#state = {
      ...this.#state,
      epoch: epoch + 1,
      batch: 0,
      sums: noSums,
      history: [...history, record],
      best: isBest ? record : best,
    };
    const pieces = encodeSafetensors(weights, this.#metadataOf(record));
    const names = isBest ? (["best", "last"] as const) : (["last"] as const);
    await this.#save(
      variables,
      names.map((name) => ({ name, pieces })),
    );
    this.#options.onEvent?.({ kind: "epoch", isBest, judged, ...record });
  }

  /** Writes a checkpoint, with which another run goes on from here. */
  async save(): Promise<void> {
    await this.#save(await this.#read(), []);
  }

  /** What the best weights say of the held-out pictures. */
  async judgedByBest(weights: NamedSources): Promise<readonly Judged[]> {
    const { best } = this.#state;
    if (this.#judged?.epoch === best?.epoch && this.#judged) return this.#judged.judged;
    return this.#judge(weights.tensors as Weights);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#executable.dispose();
  }

  async #save(variables: ReadonlyMap<string, RealTensor>, files: Parameters<Store["save"]>[0]): Promise<void> {
    const { recipe } = this.plan;
    const checkpoint = await encodeCheckpoint({ recipe, state: this.#state, variables });
    await this.#store.save([...files, { name: "checkpoint", pieces: checkpoint }]);
    this.#saved = performance.now();
    this.#stepsSinceSaved = 0;
    this.#options.onEvent?.({ kind: "checkpoint", step: this.plan.course.countTo(this.#state) });
  }

  /** The variables. Throws NonFiniteError if one holds a number that is not finite: such weights are never kept. */
  async #read(): Promise<ReadonlyMap<string, RealTensor>> {
    const found = await this.#executable.read(this.plan.variables);
    if (Object.values(found).some(nonFiniteIn)) throw await this.#explain();
    return new Map(this.plan.variables.map((name) => [name, found[name]!]));
  }

  /** The network's weights: averages where there are some, and those that were never trained. */
  async #weightsOf(variables: ReadonlyMap<string, RealTensor>): Promise<Weights> {
    const weights = new Map<string, Tensor<"float32">>();
    for (const [name, source] of this.plan.network.weights.tensors) {
      const trained = variables.get(`${name}.ema`) ?? variables.get(name);
      const { shape, data, dtype } = trained ?? (await readTensor(source));
      if (dtype !== "float32" && dtype !== "float64") continue;
      weights.set(name, tensorOf("float32", shape, Float32Array.from(data)));
    }
    return weights;
  }

  async #judge(weights: Weights): Promise<readonly Judged[]> {
    const { heldOut, signal } = this.#options;
    const { network, backend, batchRecipe, batch } = this.plan;
    this.#pace.begin();
    const judged = await evaluate(network.graph, { tensors: weights }, heldOut, batchRecipe, {
      backend,
      maker: this.#maker,
      batch,
      signal,
      onUnreadable: (picture) => this.#warnOf(picture),
    });
    this.#pace.endEvaluation();
    return judged;
  }

  #metadataOf({ epoch, accuracy, loss }: EpochRecord): { readonly [name: string]: string } {
    return { ...this.plan.network.metadata, epoch: String(epoch), accuracy: String(accuracy), loss: String(loss) };
  }

  /** Each picture is warned of once. */
  #warnOf({ name, message }: UnreadablePicture): void {
    if (this.#state.unreadable.includes(name)) return;
    this.#state = { ...this.#state, unreadable: [...this.#state.unreadable, name] };
    this.#options.onWarning?.(`${name} is left out (${this.#state.unreadable.length} so far): ${message}`);
  }

  #tell(loss: number, learningRate: number): void {
    const { course, batch: size } = this.plan;
    const { epoch, sums } = this.#state;
    const { epochs, onEvent, onProgress } = this.#options;
    const [step, steps] = [course.countTo(this.#state), course.batches];
    const picturesPerSecond = size / this.#pace.endStep();
    const secondsLeft = this.#pace.left(steps - step, epochs - epoch);
    const accuracy = sums.correct / sums.images;
    onEvent?.({
      kind: "step",
      step,
      steps,
      epoch: epoch + 1,
      learningRate,
      loss,
      accuracy,
      picturesPerSecond,
      secondsLeft,
    });
    onProgress?.({ stage: "train", done: step, total: steps });
  }

  /**
   * The error for numbers that are not finite. The steps since the last checkpoint are run again, each with a look at
   * the variables, and the first step that spoils something once more with all its values as outputs.
   */
  async #explain(): Promise<Error> {
    const { course } = this.plan;
    const at = this.#state;
    const saved = await lastCheckpoint(this.plan, this.#options, this.#store);
    const place = await this.#replay(saved, course.countTo(at)).catch((error: unknown) => {
      if (error instanceof AbortError) throw error;
      return undefined;
    });
    const position = place?.position ?? at;
    const steps = course.countTo(saved.state);
    const wayBack = steps === 0 ? "nothing was saved before" : `the checkpoint after step ${steps} is kept`;
    return new NonFiniteError(
      {
        step: course.countTo(position) + 1,
        epoch: position.epoch + 1,
        learningRate: course.rateAt(position),
        found: place?.found,
      },
      wayBack,
    );
  }

  async #replay(
    saved: Pick<Checkpoint, "state" | "variables">,
    last: number,
  ): Promise<
    { readonly position: { epoch: number; batch: number }; readonly found: NonFiniteValue | undefined } | undefined
  > {
    const { plan } = this;
    const { signal } = this.#options;
    await using executable = await plan.backend.compile(withVariables(plan.step, saved.variables), { signal });
    let before: ReadonlyMap<string, RealTensor> = saved.variables;
    for (let { epoch, batch } = saved.state; plan.course.countTo({ epoch, batch }) <= last; epoch++, batch = 0) {
      for await (const each of plan.course.batchesFrom({ epoch, batch }, this.#maker, signal)) {
        const position = { epoch, batch: batch++ };
        const inputs = plan.course.inputsOf(each, position);
        const { loss } = await executable.run(inputs, { signal });
        const after = new Map(Object.entries(await executable.read(plan.variables, { signal })));
        if (nonFiniteIn(loss) || [...after.values()].some(nonFiniteIn)) {
          const graph = withVariables(plan.step, before);
          return { position, found: await firstNonFiniteValue(plan.backend, graph, inputs) };
        }
        if (plan.course.countTo(position) >= last) return undefined;
        before = after;
      }
    }
    return undefined;
  }
}

/** The checkpoint in the store, or the beginning. */
async function lastCheckpoint(
  plan: Plan,
  options: Pick<FitOptions, "facts">,
  store: Store,
): Promise<Pick<Checkpoint, "state" | "variables">> {
  const source = await store.load("checkpoint");
  if (source === undefined) return { state: initialState, variables: new Map() };
  const { recipe, state, variables } = await decodeCheckpoint(source);
  checkRecipe(plan.recipe, recipe, options.facts);
  return { state, variables };
}
