import { gradientGoldens } from "@residual/kit/testing/gradient-goldens";
import { describe, expect, it } from "vitest";
import type { WebgpuBackend } from "../index.ts";

/** Roundings, in units of the largest number, that the sums of the cases may be off by: they have up to 130 terms. */
const ROUNDINGS = 64;

/** A norm of two values gives −1 and 1, however far apart they are, so all terms of its gradient nearly cancel. */
const CANCELS = { id: "bn_train_two_values", roundings: 512 };

/** Tests a backend's gradients of single ops against PyTorch's. */
export function agreesWithPytorch(name: string, backend: WebgpuBackend): void {
  describe(`PyTorch's gradients: ${name}`, () => {
    it.each(gradientGoldens().map((golden) => [golden.id, golden] as const))(
      "%s",
      async (id, { graph, inputs, expected }) => {
        await using executable = await backend.compile(graph);
        const found = await executable.run(inputs);
        const roundings = id === CANCELS.id ? CANCELS.roundings : ROUNDINGS;
        for (const [output, { data }] of Object.entries(expected)) {
          const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const error = data.reduce((most, value, i) => Math.max(most, Math.abs(value - found[output]!.data[i]!)), 0);
          expect(error / largest, output).toBeLessThan(roundings * 2 ** -24);
        }
      },
    );
  });
}
