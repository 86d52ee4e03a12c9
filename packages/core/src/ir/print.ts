import { type Graph, valuesOf } from "./graph.ts";
import { type Attribute, formatShape, type Value } from "./value.ts";

/**
 * A graph as text, a line for each node:
 *
 *   graph tiny (image: N×3×8×8) -> (logits: N×10 = fc)
 *     conv1 : N×4×8×8 = conv2d(x: image, weight: conv1.weight 4×3×3×3) {stride 1, padding 1, dilation 1, groups 1}
 */
export function print(graph: Graph): string {
  const inputs = Object.values(graph.inputs).map(({ name, shape }) => `${name}: ${formatShape(shape)}`);
  const outputs = Object.entries(graph.outputs).map(([name, value]) => {
    return `${name}: ${formatShape(value.shape)}${value.name === name ? "" : ` = ${value.name}`}`;
  });
  const heading = `graph ${graph.name} (${inputs.join(", ")}) -> (${outputs.join(", ")})`;
  return [heading, ...valuesOf(graph).flatMap(printNode)].join("\n");
}

function printNode(value: Value): string[] {
  if (value.kind !== "node") return [];
  const inputs = Object.entries(value.inputs).map(([name, input]) => `${name}: ${printOperand(input)}`);
  const attributes = Object.entries(value.attributes).map(
    ([name, attribute]) => `${name} ${printAttribute(name, attribute)}`,
  );
  const suffix = attributes.length > 0 ? ` {${attributes.join(", ")}}` : "";
  return [`  ${value.name} : ${formatShape(value.shape)} = ${value.op}(${inputs.join(", ")})${suffix}`];
}

/** A parameter prints with its shape; a constant also has an equals sign. */
function printOperand(value: Value): string {
  if (value.kind === "parameter") return `${value.name} ${formatShape(value.shape)}`;
  return value.kind === "constant" ? `${value.name} = ${formatShape(value.shape)}` : value.name;
}

/** Lists whose length says something. */
const lists = ["axes", "shape"];

/** A pair, or the padding of four sides, prints as one number if its numbers are equal. */
function printAttribute(name: string, attribute: Attribute): string {
  if (typeof attribute !== "object") return String(attribute);
  return !lists.includes(name) && attribute.every((side) => side === attribute[0])
    ? String(attribute[0])
    : `[${attribute.join(", ")}]`;
}
