import { formatShape } from "@residual/core";
import type { Operation, Program } from "./program.ts";

/** A program for people: a line for what goes in and out, a line an operation, in their order. */
export function formatProgram({ name, inputs, outputs, operations }: Program): string {
  const taken = inputs.map((input) => `${input.name}: ${formatShape(input.shape)}`);
  const given = outputs.map((output) => `${output.name}: ${formatShape(output.shape)} = ${output.from}`);
  return [`${name} (${taken.join(", ")}) -> (${given.join(", ")})`, ...operations.map(formatOperation)].join("\n");
}

function formatOperation({ operator, name, inputs, attributes }: Operation): string {
  const settings = Object.entries(attributes).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  return `${name} = ${operator}(${inputs.join(", ")})${settings.join("")}`;
}
