import { AbortError, BackendUnavailableError, FormatError, type Tensor, tensor } from "@residual/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outcomesOf, type Stages } from "./classify-all.ts";
import { OptionError } from "./option-error.ts";

/** The sizes of the runs. */
interface Watch {
  readonly batches: number[];
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A picture is a number; a negative one is damaged. Its answer is ten times the number. */
function stages(options: Partial<Stages<number, number>> = {}): Stages<number, number> & Watch {
  const batches: number[] = [];
  return {
    batches,
    batch: 4,
    signal: undefined,
    async decode(picture: number) {
      await tick();
      if (picture < 0) throw new FormatError(`${picture} is damaged`);
      return tensor([1], [picture]);
    },
    async run(images: readonly Tensor<"float32">[]) {
      batches.push(images.length);
      for (let i = 0; i < 10; i++) await tick();
      return images.map(({ data: [value] }) => 10 * value!);
    },
    ...options,
  };
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

const expected = (pictures: readonly number[]) =>
  pictures.map((picture) =>
    picture < 0
      ? {
          picture,
          error: expect.objectContaining({ code: "FormatError", message: `${picture} is damaged` }) as unknown,
        }
      : { picture, answer: 10 * picture },
  );

describe("outcomes", () => {
  it("come in order, one for each picture, whatever is damaged and how slow each part is", async () => {
    const delays = fc.array(fc.nat(3), { minLength: 1, maxLength: 7 });
    const pictures = fc.array(fc.integer({ min: -3, max: 9 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        pictures,
        fc.integer({ min: 1, max: 6 }),
        delays,
        fc.boolean(),
        async (list, batch, slow, isAsync) => {
          let calls = 0;
          const wait = async () => {
            for (let i = slow[calls++ % slow.length]!; i > 0; i--) await tick();
          };
          async function* source() {
            for (const picture of list) {
              await wait();
              yield picture;
            }
          }
          const work = stages({ batch });
          const found = await all(
            outcomesOf<number, number>(isAsync ? source() : list, {
              ...work,
              decode: (picture, signal) => wait().then(() => work.decode(picture, signal)),
            }),
          );
          expect(found).toEqual(expected(list));
          const powers = [1, 2, 4];
          for (const size of work.batches) expect([...powers.filter((each) => each <= batch), batch]).toContain(size);
        },
      ),
    );
  });

  it("are made in whole batches where decoding is quicker than the model", async () => {
    const work = stages();
    const pictures = Array.from({ length: 17 }, (_, i) => i);
    expect(await all(outcomesOf(pictures, work))).toEqual(expected(pictures));
    expect(Math.max(...work.batches)).toBe(4);
    expect(work.batches.length).toBeLessThanOrEqual(7);
  });

  it("do not wait for a source that is slower", async () => {
    let resolve = () => {};
    const promise = new Promise<void>((settle) => {
      resolve = settle;
    });
    async function* source() {
      yield 1;
      await promise;
      yield 2;
    }
    const outcomes = outcomesOf(source(), stages());
    expect((await outcomes.next()).value).toEqual({ picture: 1, answer: 10 });
    resolve();
    expect((await outcomes.next()).value).toEqual({ picture: 2, answer: 20 });
  });

  it("take no more of the source than two batches ahead", async () => {
    let taken = 0;
    function* source() {
      for (;;) yield taken++;
    }
    const outcomes = outcomesOf(source(), stages());
    for (let answered = 1; answered <= 30; answered++) {
      await outcomes.next();
      for (let i = 0; i < 20; i++) await tick();
      expect(taken - answered).toBeLessThanOrEqual(3 * 4);
    }
    await outcomes.return();
  });

  it.each([false, true])("close the source where the caller leaves (waiting for it: %s)", async (isWaiting) => {
    let isClosed = false;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => {
        let next = 0;
        return {
          next: () =>
            isWaiting && next === 1 ? new Promise(() => {}) : Promise.resolve({ done: false as const, value: next++ }),
          return: async () => {
            isClosed = true;
            return { done: true, value: undefined };
          },
        };
      },
    };
    for await (const _ of outcomesOf(source, stages())) break;
    expect(isClosed).toBe(true);
  });

  it("end with what the source throws, after the answers that come before", async () => {
    function* source() {
      yield 1;
      yield 2;
      throw new Error("no more");
    }
    const found: unknown[] = [];
    const reading = (async () => {
      for await (const outcome of outcomesOf(source(), stages())) found.push(outcome);
    })();
    await expect(reading).rejects.toThrow("no more");
    expect(found).toEqual(expected([1, 2]));
  });

  it.each<[string, Error]>([
    ["a decoder that is missing", new BackendUnavailableError("install it")],
    ["a mistake", new TypeError("a mistake")],
  ])("end with %s, which would meet every picture", async (_, error) => {
    const decode = async () => {
      throw error;
    };
    await expect(all(outcomesOf([1, 2], stages({ decode })))).rejects.toThrow(error.message);
  });

  it("end with what a run throws", async () => {
    const run = async () => {
      throw new TypeError("no run");
    };
    await expect(all(outcomesOf([1, 2], stages({ run })))).rejects.toThrow("no run");
  });

  it("end with an AbortError once aborted, while the source, a picture or a run is waited for", async () => {
    const never = () => new Promise<never>(() => {});
    async function* stuck() {
      yield 1;
      await never();
    }
    for (const [source, options] of [
      [stuck(), {}],
      [[1, 2], { decode: never }],
    ] as const) {
      const controller = new AbortController();
      const reading = all(outcomesOf(source, stages({ ...options, signal: controller.signal })));
      for (let i = 0; i < 30; i++) await tick();
      controller.abort();
      await expect(reading).rejects.toThrow(AbortError);
    }
  });
});

describe("what is no iterable of pictures", () => {
  const boom = (): never => {
    throw new TypeError("boom");
  };
  const hostile: { readonly [name: string]: unknown } = {
    nothing: undefined,
    null: null,
    "a number": 5,
    "a path": "cat.png",
    bytes: new Uint8Array(4),
    "an object": {},
    "an iterator that is no function": { [Symbol.iterator]: 5 },
    "an asynchronous iterator that is no function": { [Symbol.asyncIterator]: {} },
    "a getter that throws": {
      get [Symbol.iterator]() {
        return boom();
      },
    },
    "a function that throws": { [Symbol.iterator]: boom },
    "a proxy that throws": new Proxy({}, { get: boom, has: boom }),
    "no iterator": { [Symbol.iterator]: () => null },
    "an iterator of another kind": { [Symbol.iterator]: () => 5 },
    "a next that is no function": { [Symbol.iterator]: () => ({ next: 5 }) },
    "a next that throws when it is read": {
      [Symbol.iterator]: () => ({
        get next() {
          return boom();
        },
      }),
    },
    "a next that gives a number": { [Symbol.iterator]: () => ({ next: () => 5 }) },
    "a next that gives nothing": { [Symbol.asyncIterator]: () => ({ next: async () => undefined }) },
  };

  it.each(Object.keys(hostile))("%s is an OptionError", async (name) => {
    const error: unknown = await all(outcomesOf(hostile[name] as number[], stages())).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(OptionError);
    expect(error).toMatchObject({ message: expect.stringMatching(/^classifyAll/) as string });
  });

  it("may have a return that is no function", async () => {
    const iterator: Iterator<number> = { next: () => ({ done: false, value: 1 }) };
    const source: Iterable<number> = { [Symbol.iterator]: () => Object.assign(iterator, { return: 5 }) };
    for await (const outcome of outcomesOf(source, stages())) {
      expect(outcome).toEqual({ picture: 1, answer: 10 });
      break;
    }
  });
});
