import { abortError, ResidualError, type Signal, type Tensor, throwIfAborted } from "@residual/core";
import { kindOf } from "./kind-of.ts";
import { OptionError } from "./option-error.ts";
import { atATime, isOfPicture } from "./pictures.ts";

/** The result for a picture: an answer, or its error. */
export type Outcome<Given, Answer> =
  | { readonly picture: Given; readonly answer: Answer; readonly error?: never }
  | { readonly picture: Given; readonly answer?: never; readonly error: ResidualError };

export interface Stages<Given, Answer> {
  /** A picture as the model's input, [1, 3, H, W]. */
  decode(picture: Given, signal: Signal): Promise<Tensor<"float32">>;
  /** Answers for images, in one run. An answer may be an error of one image. */
  run(images: readonly Tensor<"float32">[]): Promise<readonly (Answer | ResidualError)[]>;
  /** The most images of one run. */
  readonly batch: number;
  readonly signal: Signal | undefined;
}

/** A picture that is being decoded. `found` is set when it is done. */
interface Entry<Given> {
  readonly picture: Given;
  readonly settled: Promise<void>;
  found?: { readonly image: Tensor<"float32"> } | { readonly error: unknown };
}

/**
 * Answers for pictures, in order. During a run the next pictures are decoded, a few at a time. The next run takes the
 * pictures decoded by then: one if decoding is slower than the model, up to `batch` otherwise. So an answer never waits
 * for later pictures, and memory is bounded by twice the batch.
 *
 * A picture that cannot be decoded has its error as result. Errors of the source, a run or the signal are thrown after
 * the preceding answers. A caller that leaves early closes the source.
 */
export async function* outcomesOf<Given, Answer>(
  pictures: Iterable<Given> | AsyncIterable<Given>,
  stages: Stages<Given, Answer>,
): AsyncGenerator<Outcome<Given, Answer>, void, undefined> {
  const lookahead = new Lookahead(pictures, stages);
  try {
    for (;;) {
      const entries = await lookahead.take();
      if (entries.length === 0) return;
      const images = entries.flatMap(({ found }) => (found && "image" in found ? found.image : []));
      const answers = (images.length > 0 ? await stages.run(images) : []).values();
      for (const { picture, found } of entries) {
        const outcome = found && "error" in found ? found.error : answers.next().value;
        if (isOfPicture(outcome)) yield { picture, error: outcome };
        else yield { picture, answer: outcome as Answer };
      }
    }
  } finally {
    await lookahead.close();
  }
}

/** Pictures that are decoded ahead of the runs. */
class Lookahead<Given, Answer> {
  readonly #source: Iterator<Given> | AsyncIterator<Given>;
  readonly #stages: Stages<Given, Answer>;
  readonly #decoding = atATime();
  readonly #entries: Entry<Given>[] = [];
  #end: "none" | "ended" | { readonly error: unknown } = "none";
  #isPulling = false;
  /** Aborted when the caller leaves, or by the caller's signal. */
  readonly #stop = new AbortController();
  /** Settles when the source has replied. */
  #pulled: Promise<void> = Promise.resolve();

  constructor(pictures: Iterable<Given> | AsyncIterable<Given>, stages: Stages<Given, Answer>) {
    this.#source = iteratorOf(pictures);
    this.#stages = stages;
    stages.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  readonly #abort = () => this.#stop.abort(this.#stages.signal?.reason);

  /**
   * The next pictures whose decoding has finished or failed. They are a whole batch, or a power of two, so that
   * backends which plan for each size have few plans to make. Empty at the end of the source.
   */
  async take(): Promise<readonly Entry<Given>[]> {
    const { signal } = this.#stages;
    throwIfAborted(signal);
    this.#fill();
    while (this.#entries.length === 0 && this.#end === "none") await unlessAborted(this.#pulled, signal);
    const [head] = this.#entries;
    if (!head) {
      if (typeof this.#end === "object") throw this.#end.error;
      return [];
    }
    await unlessAborted(head.settled, signal);
    if (head.found && "error" in head.found && !isOfPicture(head.found.error)) throw head.found.error;
    const taken = this.#entries.splice(0, this.#ready());
    this.#fill();
    return taken;
  }

  /** The number of leading entries for the next run. */
  #ready(): number {
    let images = 0;
    let end = 0;
    for (const [index, { found }] of this.#entries.entries()) {
      if (!found || ("error" in found && !isOfPicture(found.error)) || images === this.#stages.batch) break;
      if ("image" in found) images++;
      const isPowerOfTwo = (images & (images - 1)) === 0;
      if (isPowerOfTwo || images === this.#stages.batch) end = index + 1;
    }
    return end;
  }

  /** Requests more pictures from the source while there is room. */
  #fill(): void {
    if (this.#isPulling || this.#stop.signal.aborted || this.#end !== "none") return;
    if (this.#entries.length >= 2 * this.#stages.batch) return;
    this.#isPulling = true;
    this.#pulled = this.#pull().then(() => {
      this.#isPulling = false;
      this.#fill();
    });
  }

  async #pull(): Promise<void> {
    try {
      const next = await this.#source.next();
      if (typeof next !== "object" || next === null)
        throw new OptionError(
          `classifyAll: the iterator of the pictures gave ${kindOf(next)}, expected { done, value }`,
        );
      if (next.done) this.#end = "ended";
      else if (!this.#stop.signal.aborted) this.#entries.push(this.#decode(next.value));
    } catch (error) {
      this.#end = { error };
    }
  }

  #decode(picture: Given): Entry<Given> {
    const { signal } = this.#stop;
    const work = this.#decoding(async () => {
      throwIfAborted(signal);
      return this.#stages.decode(picture, signal);
    });
    const settled = work.then(
      (image) => {
        entry.found = { image };
      },
      (error: unknown) => {
        entry.found = { error };
      },
    );
    const entry: Entry<Given> = { picture, settled };
    return entry;
  }

  /** Closes the source, and aborts decoding. */
  async close(): Promise<void> {
    this.#stages.signal?.removeEventListener("abort", this.#abort);
    this.#stop.abort();
    const isIdle = !this.#isPulling;
    const closing = this.#end === "none" ? Promise.resolve(closed(this.#source)) : undefined;
    if (isIdle)
      await closing; // otherwise the source may be waiting for a picture that never comes
    else closing?.catch(() => {});
  }
}

/**
 * The iterator of an iterable, checked at run time. Bytes and text are iterable too, but are one picture. Throws
 * OptionError for values that cannot be iterated.
 */
function iteratorOf<T>(pictures: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  const expected = "classifyAll takes an iterable of pictures, such as an array; for one picture there is classify";
  if (typeof pictures !== "object" || pictures === null || ArrayBuffer.isView(pictures))
    throw new OptionError(expected);
  try {
    const { [Symbol.asyncIterator]: openAsync, [Symbol.iterator]: open } = pictures as AsyncIterable<T> & Iterable<T>;
    const iterator = (openAsync ?? open).call(pictures);
    if (typeof iterator.next === "function") return iterator;
  } catch (cause) {
    if (cause instanceof ResidualError) throw cause;
    throw new OptionError(`${expected} (${cause instanceof Error ? cause.message : kindOf(cause)})`, { cause });
  }
  throw new OptionError(`${expected} (its iterator has no method next)`);
}

/** Tells an iterator that no more items are requested. */
function closed(iterator: Iterator<unknown> | AsyncIterator<unknown>): unknown {
  return typeof iterator.return === "function" ? iterator.return() : undefined;
}

/** The work's result, or an AbortError as soon as the signal is aborted, while the work continues. */
export async function unlessAborted<T>(work: Promise<T>, signal: Signal | undefined): Promise<T> {
  if (!signal) return work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(abortError(signal));
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
