import { type Backend, nodesOf, reference, tensor, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { arithmeticOf } from "./arithmetic.ts";
import { describeOutcome } from "./check.ts";
import { compare, type Outcome, roundToFloat32, runTrials, type Trial } from "./trial.ts";

const largest = 3.4028234663852886e38;
const share = (found: number, expected: number, bound = 1e-6) => compare([found], [expected], [bound]).share;

describe("compare", () => {
  it("gives the largest share, and where", () => {
    expect(compare([1, 2.5, 3], [1, 2, 4], [1, 1, 4])).toEqual({ share: 0.5, at: 1 });
    expect(compare([1, 2, 3], [1, 2, 3], [0, 0, 0])).toEqual({ share: 0, at: 0 });
  });

  it("asks for the very number where the bound is 0; −0 is 0", () => {
    expect(share(1, 1, 0)).toBe(0);
    expect(share(1 + 2 ** -23, 1, 0)).toBe(Infinity);
    expect([share(-0, 0, 0), share(0, -0, 0)]).toEqual([0, 0]);
  });

  it("takes NaN for NaN alone", () => {
    expect(share(Number.NaN, Number.NaN)).toBe(0);
    expect(share(Number.NaN, Number.NaN, Number.NaN)).toBe(0);
    expect([share(1, Number.NaN), share(Number.NaN, 1), share(Number.NaN, Infinity)]).toEqual([
      Infinity,
      Infinity,
      Infinity,
    ]);
  });

  it.each([Infinity, -Infinity])("takes %d for the same infinity alone, whatever the bound", (infinity) => {
    for (const bound of [0, 1e-6, Infinity, Number.NaN]) {
      expect(share(infinity, infinity, bound)).toBe(0);
      expect(share(-infinity, infinity, bound)).toBe(Infinity);
      expect(share(Math.sign(infinity) * largest, infinity, bound)).toBe(Infinity);
    }
    expect(share(infinity, 1)).toBe(Infinity);
  });

  it.each([1, -1])("takes infinity for what overflows, with sign %d", (sign) => {
    expect(share(sign * Infinity, sign * 2 * largest)).toBe(0);
    expect(share(sign * Infinity, sign * largest, largest * 2 ** -24)).toBe(0); // may round up to infinity
    expect(share(sign * Infinity, sign * largest, 0)).toBe(Infinity);
    expect(share(sign * -Infinity, sign * 2 * largest)).toBe(Infinity);
    expect(share(sign * largest, sign * 2 * largest)).toBeGreaterThan(1); // saturated
  });

  it("finds an answer that is too short", () => {
    expect(compare([1], [1, 2], [1, 1])).toEqual({ share: Infinity, at: 1 });
  });
});

it("roundToFloat32 rounds once, and flushes what a backend may", () => {
  const data = Float64Array.of(0.1, 2 ** -126, 2 ** -127, -1e-40, Number.NaN, -Infinity);
  const rounded = roundToFloat32({ dtype: "float64", shape: [6], data });
  expect([...rounded.data]).toEqual([Math.fround(0.1), 2 ** -126, 0, 0, Number.NaN, -Infinity]);
});

describe("runTrials", () => {
  const trial: Trial = {
    name: "head",
    op: "relu",
    attributes: {},
    inputs: { x: tensor([1, 3], [1, -2, 3]) },
    constants: new Set(),
  };
  const answering = (answer: readonly number[]): Backend => ({
    ...reference,
    compile: async (graph) => {
      const executable = await reference.compile(graph);
      const names = Object.keys(graph.outputs);
      const run = async () =>
        Object.fromEntries(names.map((name) => [name, tensor([1, answer.length], answer)])) as never;
      return { ...executable, run };
    },
  });
  const outcomesOf = async (backend: Backend, trials: readonly Trial[]) => {
    const outcomes: Outcome[] = [];
    for await (const outcome of runTrials(backend, trials)) outcomes.push(outcome);
    return outcomes;
  };

  it("says where an answer is furthest off", async () => {
    const [outcome] = await outcomesOf(answering([1, -2, 3]), [trial]);
    expect(outcome).toMatchObject({ share: Infinity, worst: { index: [0, 1], expected: 0, found: -2, bound: 0 } });
    expect(describeOutcome(outcome!)).toBe(
      "head: relu(x 1×3) -> 1×3: at [0, 1] expected 0, got -2, where nothing is rounded",
    );
  });

  it("says what shape an answer has where it has another", async () => {
    const [outcome] = await outcomesOf(answering([1, 0]), [trial]);
    expect(describeOutcome(outcome!)).toBe(
      "head: relu(x 1×3) -> 1×3: ShapeError: the answer is [1, 2], expected [1, 3]",
    );
  });

  it("finds the one trial among several that is refused", async () => {
    const refusing: Backend = {
      ...reference,
      compile: async (graph, options) => {
        const refused = nodesOf(graph).some(({ op }) => op === "sigmoid");
        if (refused) throw new UnsupportedError("no sigmoid yet");
        return reference.compile(graph, options);
      },
    };
    const outcomes = await outcomesOf(refusing, [trial, { ...trial, op: "sigmoid" }, trial]);
    expect(outcomes.map(({ share }) => share)).toEqual([0, Infinity, 0]);
    expect(describeOutcome(outcomes[1]!)).toBe("head: sigmoid(x 1×3) -> 1×3: UnsupportedError: no sigmoid yet");
  });

  it("lets a backend in float16 refuse finite numbers beyond its range, and nothing else", async () => {
    const refusing: Backend = { ...reference, compile: () => Promise.reject(new UnsupportedError("too large")) };
    const half = arithmeticOf({ algorithms: ["float16-storage"] });
    const of = (...numbers: readonly number[]): Trial => ({
      ...trial,
      inputs: { x: tensor([1, numbers.length], numbers) },
    });
    const doubled = (number: number): Trial => {
      const [a, b] = [tensor([1, 1], [number]), tensor([1, 1], [number])];
      return { ...trial, op: "add", inputs: { a, b } };
    };
    const trials = [of(1, 7e4), of(1, 6e4), of(Infinity, 7e4), doubled(4e4), doubled(3e4)];
    const shares: number[] = [];
    for await (const { share } of runTrials(refusing, trials, half)) shares.push(share);
    expect(shares).toEqual([0, Infinity, Infinity, 0, Infinity]);
    expect((await outcomesOf(refusing, [of(1, 7e4)]))[0]).toMatchObject({ share: Infinity }); // float32 holds it
  });
});
