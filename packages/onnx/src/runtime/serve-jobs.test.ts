import { expect, it } from "vitest";
import type { OnnxRuntime } from "./inference.ts";
import type { FromThread, ToThread } from "./protocol.ts";
import { serveJobs } from "./serve-jobs.ts";

/** A runtime whose models add 1 to their variable, and whose runs take as long as the test lets them. */
function counting(): { readonly runtime: OnnxRuntime; readonly finishRun: () => void } {
  let finishRun = () => {};
  class Tensor {
    readonly dims: readonly number[];
    readonly data: Float32Array;
    constructor(_type: string, data: Float32Array, dims: readonly number[]) {
      this.data = data;
      this.dims = dims;
    }
  }
  const session = {
    async run({ count }: { readonly count: Tensor }) {
      await new Promise<void>((resolve) => {
        finishRun = resolve;
      });
      return { "count/update": new Tensor("float32", Float32Array.of(count.data[0]! + 1), [1]) };
    },
    release: async () => {},
  };
  const runtime = { Tensor, InferenceSession: { create: async () => session } } as unknown as OnnxRuntime;
  return { runtime, finishRun: () => finishRun() };
}

/** Everything that is ready. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("a run that is not committed leaves variables as they were", async () => {
  const { runtime, finishRun } = counting();
  const replies: FromThread[] = [];
  const send = serveJobs(Promise.resolve(runtime), {
    reply: (message) => void replies.push(message),
    nextTurn: turn,
    enter: (work) => work(),
    isTransferable: () => true,
  });
  const count = {
    name: "count",
    input: "count",
    update: "count/update",
    initial: { shape: [1], data: Float32Array.of(0) },
  };
  const jobs: readonly ToThread[] = [
    { kind: "create", id: 0, session: 0, source: { model: "counting.onnx", variables: [count] }, options: {} },
    { kind: "run", id: 1, session: 0, inputs: {} },
    { kind: "run", id: 2, session: 0, inputs: {} },
  ];
  for (const job of jobs) send(job);
  for (let i = 0; i < 4; i++) await turn(); // run 1 has begun
  finishRun();
  for (let i = 0; i < 4; i++) await turn(); // run 2 has begun
  finishRun();
  for (let i = 0; i < 4; i++) await turn();
  send({ kind: "commit", session: 0 });
  send({ kind: "read", id: 3, session: 0, names: ["count"] });
  for (let i = 0; i < 4; i++) await turn();
  const read = replies.find(({ id }) => id === 3) as FromThread & { kind: "done" };
  expect([...read.outputs.count!.data]).toEqual([1]); // of run 2 alone
});
