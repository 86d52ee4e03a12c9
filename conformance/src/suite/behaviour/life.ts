import { AbortError, constant, type Executable, type Graph, graph, input, ops, tensor } from "@residual/core";
import { type Resources, resources, watchGpuMemory } from "@residual/kit/resources";
import { type Behaviour, expectRefusal, expectThat, inWords, type Subject, sameBits } from "./subject.ts";

const describes: Behaviour = async ({ backend }) => {
  const { library, version, device, dtypes } = await backend.describe();
  for (const [what, text] of Object.entries({ name: backend.name, library, version, device })) {
    expectThat(typeof text === "string" && text !== "", `${what} is ${JSON.stringify(text)}, expected a name`);
  }
  expectThat(dtypes.length > 0, "dtypes is empty");
};

const abortedBefore: Behaviour = async ({ backend, graph, compile, image }) => {
  await using executable = await compile();
  const signal = AbortSignal.abort();
  await expectRefusal(() => executable.run({ image: image("a") }, { signal }), "a run with an aborted signal", [
    "AbortError",
  ]);
  await expectRefusal(() => backend.compile(graph, { signal }), "a compile with an aborted signal", ["AbortError"]);
};

/** The batch makes the run long enough for an abort in the middle. */
const abortedInside: Behaviour = async ({ compile, image }) => {
  await using executable = await compile();
  const expected = (await executable.run({ image: image("a") })).logits;
  const controller = new AbortController();
  let settled = false;
  const running = executable.run({ image: image("long", 24) }, { signal: controller.signal });
  const outcome = running.then(
    () => "answered",
    (error: unknown) => (error instanceof AbortError ? "aborted" : `rejected with ${inWords(error)}`),
  );
  void outcome.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 2));
  const late = settled;
  controller.abort();
  const how = await outcome;
  expectThat(how === "aborted" || late, `a run aborted in the middle was ${how}, expected AbortError`);
  const after = (await executable.run({ image: image("a") })).logits;
  expectThat(sameBits(expected, after), "the run after an aborted one has another answer");
};

const disposedTwice: Behaviour = async ({ compile, image }) => {
  const executable = await compile();
  await executable.dispose();
  await executable.dispose();
  await executable[Symbol.asyncDispose]();
  await expectRefusal(() => executable.run({ image: image("a") }), "a run after dispose");
};

const disposedInside: Behaviour = async ({ compile, image }) => {
  const executable = await compile();
  const expected = (await executable.run({ image: image("a") })).logits;
  const running = executable.run({ image: image("a") }).then(
    ({ logits }) => sameBits(expected, logits),
    (error: unknown) => error instanceof Error,
  );
  await executable.dispose();
  expectThat(await running, "a run that dispose met gave a wrong answer");
};

/** A graph whose weights throw an error when a backend reads them. */
function unreadable(): Graph {
  const x = input("x", [1, 2]);
  const read = () => Promise.reject(new Error("the disk is gone"));
  const weight = constant("weight", { dtype: "float32", shape: [2, 2], firstNonFinite: -1, read });
  return graph({ name: "unreadable", inputs: { x }, outputs: { y: ops.linear({ x, weight }) } });
}

/** Work that fails, by name. Each failure gets an executable that no other call uses. */
const failing: {
  readonly [what: string]: (subject: Subject, own: Executable<"image">) => Promise<unknown>;
} = {
  "a model whose weights cannot be read": async ({ backend }) => {
    await using model = await backend.compile(unreadable()); // or run throws: a backend may read weights there
    await model.run({ x: tensor([1, 2], [1, 2]) });
  },
  "a run of two channels": ({ image }, own) => {
    const { data } = image("a");
    return own.run({ image: { dtype: "float32", shape: [1, 2, 32, 48], data } });
  },
  "an aborted run": ({ image }, own) => own.run({ image: image("a") }, { signal: AbortSignal.abort() }),
};

/** Rounds of each failure. Chance decides which of two simultaneous runs is ahead. */
const NEIGHBOURS = 3;

const neighbours: Behaviour = async (subject) => {
  await using mine = await subject.compile();
  await using other = await subject.compile();
  const expected = (await mine.run({ image: subject.image("a") })).logits;
  for (const [what, fail] of Object.entries(failing)) {
    for (let round = 0; round < NEIGHBOURS; round++) {
      const [failed, run, compiled] = await Promise.allSettled([
        fail(subject, other),
        mine.run({ image: subject.image("a") }),
        subject.compile(),
      ]);
      expectThat(failed.status === "rejected", `${what} was taken beside a run and a compile that are fine`);
      if (run.status === "rejected") expectThat(false, `beside ${what} a run rejects: ${inWords(run.reason)}`);
      expectThat(sameBits(expected, run.value.logits), `beside ${what} a run has another answer`);
      if (compiled.status === "rejected") {
        expectThat(false, `beside ${what} a compile rejects: ${inWords(compiled.reason)}`);
      }
      const answer = await compiled.value.run({ image: subject.image("a") });
      await compiled.value.dispose();
      expectThat(sameBits(expected, answer.logits), `what is compiled beside ${what} has another answer`);
    }
  }
};

const WARM_UP = 40;
const ROUNDS = 200;
/** Measurements before and after the rounds. The smallest counts, so that memory freed late is not counted. */
const MEASURED = 10;

/** Resources that are counted exactly. */
const counted = ["threads", "files", "handles", "gpuMemory"] as const;

type Measured = Resources & { readonly gpuMemory: number | undefined };

/**
 * Memory has leaked if each round keeps half of the weights; less is noise. Resident memory that grows by more is
 * measured over as many rounds again: the rounds of a leak keep as much again. Buffers and textures of GPUs, handles,
 * files and threads are counted exactly. Browsers report fewer resources than Node. The check says which resources it
 * measured.
 */
const leavesNothing: Behaviour = async ({ compile, image, bytes }) => {
  using gpu = watchGpuMemory();
  const pictured = image("a");
  const round = async () => {
    const executable = await compile();
    await executable.run({ image: pictured });
    await executable.dispose();
  };
  const measure = async (rounds: number): Promise<readonly Measured[]> => {
    const found: Measured[] = [];
    for (let i = 0; i < rounds; i++) {
      await round();
      if (i < rounds - MEASURED) continue;
      await new Promise((resolve) => setTimeout(resolve, 0)); // gives resources that close late their turn
      found.push({ ...(await resources()), gpuMemory: gpu.count() });
    }
    return found;
  };
  const isTooMuch = (memory: number) => memory >= (ROUNDS * bytes) / 2;
  let [before, after] = [await measure(WARM_UP), await measure(ROUNDS)];
  // a runtime's caches grow for some rounds, a leak goes on
  if (isTooMuch(growth(before, after, "resident") ?? 0)) [before, after] = [after, await measure(ROUNDS)];
  for (const what of ["resident", "reachable"] as const) {
    const memory = growth(before, after, what) ?? 0;
    const kept = `${ROUNDS} rounds keep ${(memory / 2 ** 20).toFixed(0)} MiB of ${what} memory, of weights of ${(bytes / 2 ** 20).toFixed(1)} MiB`;
    expectThat(!isTooMuch(memory), kept);
  }
  for (const what of counted) {
    const grown = growth(before, after, what) ?? 0;
    expectThat(grown < ROUNDS / 10, `${ROUNDS} rounds keep ${grown} more ${what} open`);
  }
  const told = Object.entries(after[0]!).flatMap(([what, value]) => (value === undefined ? [] : what));
  return told.length > 0 ? `measured: ${told.join(", ")}` : "nothing of it can be measured here";
};

/** The growth of a resource; undefined if the resource cannot be measured here. */
function growth(before: readonly Measured[], after: readonly Measured[], what: keyof Measured): number | undefined {
  const least = (measured: readonly Measured[]) => Math.min(...measured.map((each) => each[what] ?? Number.NaN));
  const grown = least(after) - least(before);
  return Number.isNaN(grown) ? undefined : grown;
}

export const life: { readonly [name: string]: Behaviour } = {
  "describes itself": describes,
  "aborted before it starts": abortedBefore,
  "aborted in mid run": abortedInside,
  "disposed twice, then run": disposedTwice,
  "disposed in mid run": disposedInside,
  "a neighbour's failure is not mine": neighbours,
  [`${ROUNDS} rounds of compile, run and dispose`]: leavesNothing,
};
