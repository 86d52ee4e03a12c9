import { type AnyNode, type Graph, graph, type Input, input, ops, parameter, type Value } from "@residual/core";

/** A line of a golden's `tensors`: the parameter's name, shape and role. */
export type GoldenTensor = readonly [name: string, shape: readonly number[], role: string];

/** A graph that reads these parameters, each layer beside the others, so that roles have to be found from the nodes. */
export function graphReading(tensors: readonly GoldenTensor[]): Graph {
  const inputs: Record<string, Input> = {};
  const outputs: Record<string, AnyNode> = {};
  for (const [layer, named] of layersOf(tensors)) {
    const x = input(`x of ${layer}`, inputShape(named));
    inputs[x.name] = x;
    outputs[layer] = layerNode(x, named);
  }
  return graph({ name: "golden", inputs, outputs });
}

/** Parameters of each layer, by the last part of their names. */
function layersOf(tensors: readonly GoldenTensor[]): Map<string, Record<string, Value>> {
  const layers = new Map<string, Record<string, Value>>();
  for (const [name, shape] of tensors) {
    const dot = name.lastIndexOf(".");
    const layer = layers.get(name.slice(0, dot)) ?? {};
    layer[name.slice(dot + 1)] = parameter(name, shape);
    layers.set(name.slice(0, dot), layer);
  }
  return layers;
}

function inputShape({ weight }: Record<string, Value>): readonly number[] {
  const [channels, features, ...window] = weight!.shape as readonly number[];
  if (features === undefined) return [1, channels!, 1, 1];
  return window.length === 2 ? [1, features, ...window] : [1, features];
}

function layerNode(
  x: Input,
  { weight, bias, running_mean: mean, running_var: variance }: Record<string, Value>,
): AnyNode {
  if (weight!.shape.length === 4) return ops.conv2d({ x, weight, bias });
  if (weight!.shape.length === 2) return ops.linear({ x, weight, bias });
  return ops.batchNorm({ x, scale: weight, shift: bias, mean, variance });
}
