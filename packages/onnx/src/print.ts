import { formatShape } from "@residual/core";
import type { Model, OnnxAttribute, OnnxNode, ValueInfo } from "./model-proto.ts";

/** A model as text: a line for the inputs and outputs, then a line for each node, in order. */
export function formatModel({ name, inputs, outputs, nodes }: Model): string {
  return [
    `${name} (${inputs.map(formatValue).join(", ")}) -> (${outputs.map(formatValue).join(", ")})`,
    ...nodes.map(formatNode),
  ].join("\n");
}

function formatValue({ name, shape }: ValueInfo): string {
  return `${name}: ${formatShape(shape)}`;
}

function formatNode({ operator, inputs, outputs, attributes }: OnnxNode): string {
  const settings = Object.entries(attributes).map(([name, value]) => ` ${name}=${formatAttribute(value)}`);
  return `${outputs.join(", ")} = ${operator}(${inputs.join(", ")})${settings.join("")}`;
}

function formatAttribute(attribute: OnnxAttribute): string {
  return "ints" in attribute ? `[${attribute.ints.join(",")}]` : String(Object.values(attribute)[0]);
}
