import { formatShape } from "@residual/core";
import type { Operation, Program } from "./program.ts";

/** A program as text: a line for the inputs and outputs, one for each operation in order, and one for each update. */
export function formatProgram({ name, inputs, outputs, variables, operations }: Program): string {
  const taken = inputs.map((input) => `${input.name}: ${formatShape(input.shape)}`);
  const given = outputs.map((output) => `${output.name}: ${formatShape(output.shape)} = ${output.from}`);
  const heading = `${name} (${taken.join(", ")}) -> (${given.join(", ")})`;
  const updates = variables.map((variable) => `${variable.name} <- ${variable.update}`);
  return [heading, ...operations.map(formatOperation), ...updates].join("\n");
}

function formatOperation({ operator, name, inputs, attributes }: Operation): string {
  const settings = Object.entries(attributes).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${name} = ${operator}(${inputs.join(", ")})${settings.join("")}`;
}
