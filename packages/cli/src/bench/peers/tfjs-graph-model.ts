/// <reference types="@webgpu/types" />
import { type Graph, optimize, type Pass, select } from "@residual/core";
import { prepare } from "@residual/pipeline";
import { type GraphModelFile, lowerToProgram, programFiles } from "@residual/tfjs";
import type * as Converter from "@tensorflow/tfjs-converter";
import type * as Tfjs from "@tensorflow/tfjs-core";
import type { Task } from "../protocol.ts";
import { browserGpu } from "./dawn.ts";
import { imported, type Peer, type Runner } from "./runner.ts";

/**
 * The network unchanged, as a graph model that plain TensorFlow.js loads and runs: an operator for each convolution,
 * norm and ReLU; groups by slices, a convolution each, and concat.
 */
export const tfjsGraphModelWasm: Peer = (task) => start(task, "wasm");

/** The same graph model on the WebGPU engine, on Dawn. */
export const tfjsGraphModelWebgpu: Peer = (task) => startOnDawn(task);

/**
 * The same network as tensorflowjs_converter optimizes it: norms folded, bias and ReLU fused into the convolutions. In
 * Node the engine has one thread.
 */
export const tfjsFusedGraphModelWasm: Peer = (task) => start(task, "wasm", optimize);

export const tfjsFusedGraphModelWebgpu: Peer = (task) => startOnDawn(task, optimize);

async function startOnDawn(task: Task, pass?: Pass): Promise<Runner> {
  await browserGpu();
  return start(task, "webgpu", pass);
}

const asBuilt: Pass = (graph) => graph;

async function start({ model, files, input }: Task, engine: "wasm" | "webgpu", pass = asBuilt): Promise<Runner> {
  const install = ["core", "converter", `backend-${engine}`].map((name) => `@tensorflow/tfjs-${name}@4.22.0`);
  const tf = await imported<typeof Tfjs>("@tensorflow/tfjs-core", ...install);
  const { loadGraphModel } = await imported<typeof Converter>("@tensorflow/tfjs-converter", ...install);
  await imported(`@tensorflow/tfjs-backend-${engine}`, ...install);
  await tf.setBackend(engine);
  const { graph } = await prepare({ model, weights: files.safetensors, input });
  const network = await loadGraphModel(tf.io.fromMemory(await artifactsOf(pass(select(graph, ["logits"])))));
  return {
    async run({ data, shape }) {
      const image = tf.tensor(data, [...shape]);
      const logits = network.predict({ image }) as Tfjs.Tensor;
      const answer = (await logits.data()) as Float32Array;
      tf.dispose([image, logits]);
      return answer;
    },
  };
}

async function artifactsOf(graph: Graph): Promise<Tfjs.io.ModelArtifacts> {
  const program = lowerToProgram(graph, {
    padsConvolutions: true,
    padsPools: false,
    grouped: () => "split",
    multiplies: () => false,
    weightGradients: "convolution",
    poolGradients: "comparisons",
    sumsByProducts: false,
  });
  const files: GraphModelFile[] = [];
  for await (const file of programFiles(program)) files.push(file);
  const { modelTopology, weightsManifest, ...rest } = JSON.parse(
    new TextDecoder().decode(files.pop()!.bytes),
  ) as Tfjs.io.ModelJSON;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  return { ...rest, modelTopology, weightSpecs, weightData: files.map(({ bytes }) => Uint8Array.from(bytes).buffer) };
}
