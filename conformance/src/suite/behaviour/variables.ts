import {
  type Answer,
  constant,
  type Executable,
  fill,
  type Graph,
  graph,
  input,
  ops,
  type Tensor,
  tensor,
  tensorOf,
  variable,
} from "@residual/core";
import { arithmeticOf } from "../arithmetic.ts";
import { compare, expectationOf } from "../trial.ts";
import { type Behaviour, expectRefusal, expectThat } from "./subject.ts";

const one = (value: number): Tensor<"float32"> => tensor([1, 1], [value]);

/** y = x + count. Each run adds 1 to count. */
function counter(): Graph<"x", "y"> {
  const x = input("x", [1, 1]);
  const count = variable("count", one(0));
  const next = ops.add({ a: count, b: constant("step", one(1)) });
  const outputs = { y: ops.add({ a: x, b: count }) };
  return graph({ name: "counter", inputs: { x }, outputs, updates: [{ variable: count, value: next }] });
}

const answer = async (executable: Executable<"x", "y">, x: number): Promise<number> =>
  (await executable.run({ x: one(x) })).y.data[0]!;

async function read(executable: Executable<"x", "y">, name: string): Promise<readonly number[]> {
  const found: { readonly [name: string]: Answer } = await executable.read([name]);
  expectThat(found[name] !== undefined, `read([${JSON.stringify(name)}]) gave { ${Object.keys(found).join(", ")} }`);
  return [...found[name].data];
}

function expectNumbers(what: string, found: readonly number[], expected: readonly number[]): void {
  expectThat(found.join() === expected.join(), `${what}: got [${found.join(", ")}], expected [${expected.join(", ")}]`);
}

const counts: Behaviour = async ({ backend }) => {
  const model = counter();
  await using first = await backend.compile(model);
  expectNumbers("the count before any run", await read(first, "count"), [0]);
  expectNumbers(
    "10 + count in three runs",
    [await answer(first, 10), await answer(first, 10), await answer(first, 10)],
    [10, 11, 12],
  );
  expectNumbers("the count after three runs", await read(first, "count"), [3]);
  await using second = await backend.compile(model);
  expectNumbers("the count of another executable", [await answer(second, 10)], [10]);
};

const inOrder: Behaviour = async ({ backend }) => {
  await using executable = await backend.compile(counter());
  const running = [0, 0, 0, 0].map((x) => answer(executable, x));
  const counted = read(executable, "count");
  counted.catch(() => {}); // awaited below, unless a run fails first
  expectNumbers("the counts that four overlapping runs saw", await Promise.all(running), [0, 1, 2, 3]);
  expectNumbers("the count that was read after their calls", await counted, [4]);
};

const together: Behaviour = async ({ backend }) => {
  const x = input("x", [1, 1]);
  const [a, b] = [variable("a", one(1)), variable("b", one(2))];
  const updates = [
    { variable: a, value: b },
    { variable: b, value: a },
  ];
  const outputs = { y: ops.add({ a: x, b: a }) };
  await using executable = await backend.compile(graph({ name: "swap", inputs: { x }, outputs, updates }));
  expectNumbers("a in three runs of a swap", [await answer(executable, 0), await answer(executable, 0)], [1, 2]);
  expectNumbers("a after two swaps", await read(executable, "a"), [1]);
  expectNumbers("b after two swaps", await read(executable, "b"), [2]);
};

/** mean ← ¾·mean + ¼·(mean of the image), with numbers that float32 holds exactly. */
const runningMean: Behaviour = async ({ backend }) => {
  const x = input("x", [1, 2, 1, 2]);
  const mean = variable("mean", tensor([1, 2, 1, 1], [0, 0]));
  const share = (name: string, value: number) => constant(name, tensor([1, 2, 1, 1], [value, value]));
  const kept = ops.multiply({ x: mean, gate: share("kept", 0.75) });
  const added = ops.multiply({ x: ops.globalAveragePool({ x }), gate: share("added", 0.25) });
  const updates = [{ variable: mean, value: ops.add({ a: kept, b: added }) }];
  const model = graph({ name: "mean", inputs: { x }, outputs: { y: ops.multiply({ x, gate: mean }) }, updates });
  await using executable = await backend.compile(model);
  const image = tensor([1, 2, 1, 2], [1, 3, -8, 0]);
  await executable.run({ x: image });
  await executable.run({ x: image });
  expectNumbers("the running mean after two runs", await read(executable, "mean"), [0.875, -1.75]);
};

/**
 * A convolution large enough for a fast kernel. Its weights are multiples of 1/8 and grow by 1/4, so their sums are
 * exact.
 */
const changingWeight: Behaviour = async ({ backend }) => {
  const [shape, weights] = [
    [1, 16, 12, 12],
    [16, 16, 3, 3],
  ];
  const x = input("x", shape);
  const eighths = fill("variables", "weight", weights, -1, 1).data.map((each) => Math.round(8 * each) / 8);
  const begin = tensorOf("float32", weights, eighths);
  const step = tensor(weights, Array<number>(begin.data.length).fill(0.25));
  const weight = variable("weight", begin);
  const updates = [{ variable: weight, value: ops.add({ a: weight, b: constant("step", step) }) }];
  const outputs = { y: ops.conv2d({ x, weight }, { padding: 1 }) };
  const model = graph({ name: "changing weight", inputs: { x }, outputs, updates });
  const arithmetic = arithmeticOf(await backend.describe());
  const image = fill("variables", "x", shape, -1, 1);
  await using executable = await backend.compile(model);
  let current = begin;
  for (const run of [1, 2, 3]) {
    const { y } = await executable.run({ x: image });
    const inputs = { x: image, weight: current };
    const attributes = ops.conv2d.attributes({ padding: 1 });
    const { value, bound } = expectationOf(
      { name: "", op: "conv2d", attributes, inputs, constants: new Set() },
      arithmetic,
    );
    const { share, at } = compare(y.data, value, bound, arithmetic);
    expectThat(share <= 1, `run ${run}: element ${at} is ${y.data[at]}, expected ${value[at]} ± ${bound[at]}`);
    current = tensorOf(
      "float32",
      weights,
      current.data.map((each) => each + 0.25),
    );
    const read = (await executable.read(["weight"])).weight!;
    expectNumbers(`the weight after run ${run}`, [...read.data], [...current.data]);
  }
};

/** The abort may come at any time, also between the end of a run and its answer. */
const keptByAborts: Behaviour = async ({ backend }) => {
  await using executable = await backend.compile(counter());
  let fulfilled = 0;
  for (let ticks = 0; ticks < 48; ticks++) {
    const controller = new AbortController();
    const running = executable.run({ x: one(0) }, { signal: controller.signal }).then(
      () => fulfilled++,
      () => undefined,
    );
    for (let i = 0; i < ticks; i++)
      await (ticks % 2 === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, 0)));
    controller.abort();
    await running;
    expectNumbers(`the count after an abort ${ticks} ticks into a run`, await read(executable, "count"), [fulfilled]);
  }
};

/** The outputs y and z are the new value of the count. */
const outputsOfTheirOwn: Behaviour = async ({ backend }) => {
  const x = input("x", [1, 1]);
  const count = variable("count", one(0));
  const next = ops.add({ a: count, b: x });
  const updates = [{ variable: count, value: next }];
  await using executable = await backend.compile(
    graph({ name: "own", inputs: { x }, outputs: { y: next, z: next }, updates }),
  );
  const { y, z } = await executable.run({ x: one(1) });
  y.data.fill(100);
  expectNumbers("an output beside another of the same value, which was written into", [...z.data], [1]);
  expectNumbers(
    "a variable whose new value is an output, which was written into",
    await read(executable, "count"),
    [1],
  );
  const again = await executable.run({ x: one(1) });
  expectNumbers("the next run's answer", [...again.y.data], [2]);
};

const keptByFailure: Behaviour = async ({ backend }) => {
  await using executable = await backend.compile(counter());
  const signal = AbortSignal.abort();
  await expectRefusal(() => executable.run({ x: one(0) }, { signal }), "a run with an aborted signal", ["AbortError"]);
  await expectRefusal(() => executable.run({ x: tensor([1, 2], [0, 0]) }), "a wrong shape");
  expectNumbers("the count after two runs that failed", [await answer(executable, 0)], [0]);
};

const copies: Behaviour = async ({ backend }) => {
  const begin = one(5);
  const x = input("x", [1, 1]);
  const kept = variable("kept", begin);
  const updates = [{ variable: kept, value: ops.add({ a: kept, b: constant("step", one(1)) }) }];
  const outputs = { y: ops.add({ a: x, b: kept }), kept };
  await using executable = await backend.compile(graph({ name: "copies", inputs: { x }, outputs, updates }));
  const first = (await executable.run({ x: one(0) })).kept;
  const second = (await executable.read(["kept"])).kept!;
  first.data.fill(100);
  second.data.fill(100);
  expectNumbers("a variable whose copies were written into", await read(executable, "kept"), [6]);
  expectNumbers("the tensor that a variable began with", [...begin.data], [5]);
};

const refusedReads: Behaviour = async ({ backend }) => {
  const executable = await backend.compile(counter());
  await expectRefusal(() => executable.read(["counts"]), "a read of a variable that there is not", ["ShapeError"]);
  await executable.dispose();
  await expectRefusal(() => executable.read(["count"]), "a read after dispose");
};

/** State that stays on the device between runs. */
export const variables: { readonly [name: string]: Behaviour } = {
  "a counter counts the runs of its executable": counts,
  "overlapping runs see variables in the order of their calls": inOrder,
  "updates take effect together": together,
  "a running mean": runningMean,
  "a weight that changes between runs": changingWeight,
  "a run that fails leaves variables as they were": keptByFailure,
  "a run that is aborted leaves variables as they were": keptByAborts,
  "an answer shares no memory with a variable or another answer": outputsOfTheirOwn,
  "variables are given out as copies": copies,
  "reads are refused": refusedReads,
};
