import { fixtureInput, select, type Tensor } from "@residual/core";
import { prepareOn } from "@residual/pipeline";
import { typedOf } from "../errors.ts";
import { peers, type Runner } from "./peers/index.ts";
import type { BenchReply, Cost, Order, Task } from "./protocol.ts";

/** One candidate in a separate process, so that its memory and CPU time are measured alone. Orders come one by one. */
const task = JSON.parse(process.argv[2]!) as Task;
const image = fixtureInput("v1", task.input);
let runner: Runner;

const answers: { readonly [Do in Order["do"]]: (order: Extract<Order, { do: Do }>) => Promise<BenchReply> } = {
  async load() {
    const load = await costOf(async () => {
      runner = await (peers[task.candidate] ?? ours)(task);
    });
    let logits: Float32Array = new Float32Array();
    const first = await costOf(async () => {
      logits = await runner.run(image);
    });
    return { kind: "loaded", load, first, logits: [...logits] };
  },
  async run({ times }) {
    const costs: Cost[] = [];
    for (let i = 0; i < times; i++) costs.push(await costOf(() => runner.run(image)));
    return { kind: "ran", costs };
  },
  async end() {
    return { kind: "ended", peakMemory: process.resourceUsage().maxRSS * 1024 };
  },
};

/** Loads from the weights file to an executable, as load() does. */
async function ours({ candidate, model, files, input, threads }: Task): Promise<Runner> {
  const options = { model, weights: files.safetensors, input, threads };
  const { executable } = await prepareOn(candidate, options, ({ graph }) => select(graph, ["logits"]));
  return { run: async (image: Tensor<"float32">) => Float32Array.from((await executable.run({ image })).logits.data) };
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { wall: performance.now() - wall, cpu: (user + system) / 1e3 };
}

process.on("SIGINT", () => {}); // a terminal sends Ctrl-C to all its processes; the parent ends this one
process.on("disconnect", () => process.exit()); // the parent has ended, or does not need this process any more
process.on("message", (order: Order) => {
  const answer = answers[order.do] as (order: Order) => Promise<BenchReply>;
  answer(order).then(tell, (error: unknown) => tell({ kind: "failed", ...wordsOf(error) }));
});

/** Ignores a closed channel: this process is then about to end. */
function tell(answer: BenchReply): void {
  process.send?.(answer, () => {});
}

function wordsOf(error: unknown): { code: string; message: string } {
  const typed = typedOf(error);
  if (typed) return { code: typed.code, message: typed.message };
  return { code: "InternalError", message: String(error) };
}
