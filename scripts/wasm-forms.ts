/**
 * @residual/wasm with fused multiply-adds, without them, and onnxruntime-node without its AVX-512 kernels: one thread
 * each, by turns. The third shows what native code does on a processor with vectors of 256 bits: onnxruntime asks the
 * processor which vectors it has, and a copy of its library is made that does not find those of 512 bits. CPU time in
 * milliseconds, medians. Each ratio is the median of pairs, to the first.
 *
 *   node --conditions=@residual/source scripts/wasm-forms.ts [MODEL…]     Linux x64, onnxruntime-node 1.30
 */
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  bind,
  fixtureInput,
  fixtureWeights,
  modelNameOf,
  resnet,
  type Tensor,
  variants,
} from "../packages/core/src/index.ts";
import { writeOnnx } from "../packages/onnx/src/index.ts";
import { wasm } from "../packages/wasm/src/index.ts";

/** `xcr0 = r8; a = ~xcr0; a & 0xe0`: a processor without 512-bit state has bits left. Without the `not` all are. */
const CHECK = Buffer.from([0x4c, 0x89, 0xc0, 0x48, 0xf7, 0xd0, 0xa8, 0xe0]);
const NEVER = Buffer.from([0x4c, 0x89, 0xc0, 0x90, 0x90, 0x90, 0xa8, 0xe0]);

const folder = mkdtempSync(join(tmpdir(), "residual-256-"));

/** The part of onnxruntime-node that is used here. */
interface Session {
  run(feeds: { readonly image: object }): Promise<unknown>;
  release(): Promise<void>;
}
interface Runtime {
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => object;
  readonly InferenceSession: {
    create(path: string, options: { intraOpNumThreads: number; interOpNumThreads: number }): Promise<Session>;
  };
}

/** A copy of onnxruntime-node whose check for AVX-512 fails. */
function withoutAvx512(): Runtime {
  const require = createRequire(realpathSync("packages/onnx/package.json"));
  const runtime = dirname(realpathSync(require.resolve("onnxruntime-node/package.json")));
  for (const name of ["onnxruntime-node", "onnxruntime-common"])
    cpSync(realpathSync(join(runtime, "..", name)), join(folder, "node_modules", name), { recursive: true });
  const library = join(folder, "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1");
  const bytes = readFileSync(library);
  const at = bytes.indexOf(CHECK);
  if (at < 0 || bytes.indexOf(CHECK, at + 1) >= 0) throw new Error("the check for AVX-512 was not found, or twice");
  writeFileSync(library, Buffer.concat([bytes.subarray(0, at), NEVER, bytes.subarray(at + NEVER.length)]));
  return createRequire(join(folder, "index.js"))("onnxruntime-node") as Runtime;
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const models = process.argv.length > 2 ? process.argv.slice(2) : ["resnet18", "resnet50", "resnext50_32x4d"];
try {
  const { InferenceSession, Tensor: OnnxTensor } = withoutAvx512();
  console.log("| model | wasm | wasm, mul and add | onnxruntime-node, 256 bits |\n| - | - | - | - |");
  for (const model of models) {
    const name = modelNameOf(model);
    if (name === undefined) throw new Error(`no model is called ${model}`);
    const shape = [1, 3, 224, 224] as const;
    const spec = resnet(variants[name], { input: shape });
    const graph = bind(spec, fixtureWeights(spec, "v1"));
    const path = join(folder, "model.onnx");
    await writeOnnx(graph, path);
    const session = await InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    await using fused = await wasm({ threads: 1 }).compile(graph);
    await using plain = await wasm({ threads: 1, instructions: "mul and add" }).compile(graph);
    const image: Tensor<"float32"> = fixtureInput("v1", shape);
    const feeds = { image: new OnnxTensor("float32", image.data, shape) };
    const runs = [() => fused.run({ image }), () => plain.run({ image }), () => session.run(feeds)];
    const rounds: number[][] = [];
    for (let round = -5; round < 15; round++) {
      const times: number[] = [];
      for (const run of runs) {
        const start = cpuTime();
        await run();
        times.push(cpuTime() - start);
      }
      if (round >= 0) rounds.push(times); // the first warm up
    }
    const cells = runs.map((_, at) => {
      const ratio = median(rounds.map((times) => times[at]! / times[0]!));
      return `${median(rounds.map((times) => times[at]!)).toFixed(1)} (${ratio.toFixed(2)})`;
    });
    console.log(`| ${model} | ${cells.join(" | ")} |`);
    await session.release();
  }
} finally {
  rmSync(folder, { recursive: true });
}
