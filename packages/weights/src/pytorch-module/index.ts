import { type AnyNode, type Graph, type Preprocessing, sizeOf, UnsupportedError, valuesOf } from "@residual/core";
import { classesOf } from "./classes.ts";
import { headOf, tailOf } from "./program.ts";
import { scopesOf } from "./scopes.ts";

export interface PyTorchModuleOptions {
  /** The name of the .safetensors file beside the module's file. Default `net.safetensors` */
  readonly weights?: string | undefined;
  /** How a picture becomes the input. Default: the module takes tensors alone. */
  readonly preprocessing?: Preprocessing | undefined;
}

/**
 * A network as the text of a Python file: modules of `torch.nn`, under the graph's names, so that the graph's weights
 * are its state_dict. The module takes images of any size that the network takes, and gives logits, or the only output.
 *
 * Run as a program, the file compares its answers with those that `writePyTorchModule` recorded, and classifies
 * pictures if `preprocessing` is given.
 *
 * Throws UnsupportedError for a graph that is no residual network: several outputs, ops that no model has, padding of
 * two kinds, parameters that do not have the names of their layer.
 */
export function pyTorchModule(graph: Graph, options: PyTorchModuleOptions = {}): string {
  const { weights = "net.safetensors", preprocessing } = options;
  const output = outputOf(graph);
  const { texts, network } = classesOf(scopesOf(graph, output));
  const classes = [...texts, network].map((lines) => `${lines.join("\n")}\n`).join("\n\n");
  const facts = {
    name: graph.name,
    weights,
    preprocessing,
    parameters: parameterCount(graph),
    classes: output.op === "linear" ? (output.shape[1] as number) : undefined,
    isSoftmax: "probabilities" in graph.outputs,
    uses: { F: classes.includes("F.pad("), same: /\w+2dSame\(/.test(classes) },
  };
  return [headOf(facts), classes, tailOf(facts)].join("\n\n");
}

/** Trained numbers, as `residual models` counts them: without the running statistics of norms. */
function parameterCount(graph: Graph): number {
  const leaves = valuesOf(graph).filter(({ kind }) => kind === "parameter" || kind === "constant");
  return leaves
    .filter(({ name }) => !/\.running_(mean|var)$/.test(name))
    .reduce((sum, { shape }) => sum + sizeOf(shape as readonly number[]), 0);
}

/** The logits, else the only output. */
function outputOf({ name, outputs }: Graph): AnyNode {
  const known = Object.keys(outputs);
  const isKnown = known.length === 1 || known.every((each) => each === "logits" || each === "probabilities");
  const output = outputs.logits ?? Object.values(outputs)[0];
  if (isKnown && output?.kind === "node") return output;
  throw new UnsupportedError(
    `${name} has the outputs ${known.join(", ")}; a PyTorch module has one: select(graph, ["${known[0] ?? "logits"}"])`,
  );
}
