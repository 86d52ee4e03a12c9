import { formatShape, modelNames, summarize } from "@residual/core";
import { knownWeights } from "@residual/weights";
import type { Command } from "commander";
import { command } from "../command.ts";
import { modelNamed } from "../names.ts";
import { type Output, say, table } from "../terminal.ts";

/** Every model, with its size and the weights known for it. */
export function modelsCommand(): Command {
  return command("models", "list every model").action((output: Output) => {
    const models = modelNames.map(describe);
    say(output, models, () =>
      table(
        ["model", "parameters", "multiply-adds", "input", "weights"],
        models.map(({ name, parameters, macs, input, weights }) => [
          name,
          parameters,
          macs,
          formatShape(input),
          weights.join(", "),
        ]),
      ),
    );
  });
}

function describe(name: string) {
  const { parameters, macs, input } = summarize(modelNamed(name));
  const weights = knownWeights.filter(({ model }) => model === name).map((known) => known.name);
  return { name, parameters, macs, input: [1, ...input.slice(1)], weights };
}
