/**
 * Measures the memory left after rounds of compile, run and dispose, and how soon an aborted run ends.
 *
 *   node --conditions=@residual/source scripts/life.ts [ROUNDS]     in packages/wasm; on a quiet machine 2 minutes
 *
 * Rounds are of CIFAR's ResNet-20; aborted are runs of ResNet-18 on 64 images, at five moments each. `next` is the time
 * of a run of one image that is called right after the abort, less what such a run takes: how long the aborted one
 * keeps the threads.
 */
import { bind, fixtureInput, fixtureWeights, type ModelName, resnet, variants } from "@residual/core";
import { type WasmOptions, wasm } from "@residual/wasm";

const rounds = Number(process.argv[2] ?? 1000);
const marks = new Set([0.02, 0.1, 0.3, 0.5, 0.7, 1].map((share) => Math.round(share * rounds)));

function graphOf(model: ModelName, size: number) {
  const spec = resnet(variants[model], { input: ["N", 3, size, size] });
  return bind(spec, fixtureWeights(spec, "v1"));
}

async function leaves(threads: number): Promise<void> {
  const graph = graphOf("cifar_resnet20", 32);
  const image = fixtureInput("v1", [1, 3, 32, 32]);
  const found: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    const model = await wasm({ threads }).compile(graph);
    await model.run({ image });
    await model.dispose();
    if (marks.has(round)) found.push(`${process.memoryUsage.rss() >> 20} MiB at ${round}`);
  }
  console.log(`rounds, ${threads} thread(s): ${found.join(", ")}`);
}

/** Milliseconds until a promise settles. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work.catch(() => {});
  return performance.now() - start;
}

async function ends(options: WasmOptions): Promise<void> {
  await using model = await wasm(options).compile(graphOf("resnet18", 224));
  const [one, many] = [1, 64].map((batch) => ({ image: fixtureInput("v1", [batch, 3, 224, 224]) }));
  for (let warm = 0; warm < 4; warm++) await model.run(one!);
  const usual = await timeOf(model.run(one!));
  const found: string[] = [];
  for (const after of [20, 111, 333, 555, 777]) {
    const { signal, abort } = withAbort();
    const run = model.run(many!, { signal });
    run.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, after));
    abort();
    const rejected = await timeOf(run);
    const next = (await timeOf(model.run(one!))) - usual;
    found.push(`${rejected.toFixed(1)} ms, next ${Math.max(0, next).toFixed(0)}`);
  }
  console.log(`aborted, ${JSON.stringify(options)}: ${found.join("; ")}`);
}

function withAbort(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

for (const options of [{ threads: 1 }, { threads: 1, worker: true }, { threads: 2 }]) await ends(options);
for (const threads of [1, 2]) await leaves(threads);
