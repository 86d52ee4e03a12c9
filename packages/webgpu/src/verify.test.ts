import { describe, expect, it } from "vitest";
import { type Choice, coldChoice, fallbackChoice, float16Choice, gpuChoice, softwareChoice } from "./choice.ts";
import { lowerToPlan } from "./lower.ts";
import { kernelsOf } from "./plan.ts";
import { graphOf, trialsOf } from "./verify.ts";

const choices: readonly (readonly [string, Choice])[] = [
  ["lavapipe", softwareChoice(8, "textures")],
  ["SwiftShader", softwareChoice(4, "buffers")],
  ["adapters without subgroups", fallbackChoice],
  ["GPUs", gpuChoice],
  ["lavapipe, cold", coldChoice(softwareChoice(8, "textures"))],
  ["lavapipe in float16", float16Choice(softwareChoice(8, "textures"), "float16")],
  ["GPUs in float16", float16Choice(gpuChoice, "float16")],
];

describe("the self-test", () => {
  it.each(choices)("runs each kernel that it is for, on %s", (_, choice) => {
    for (const trial of trialsOf(choice)) {
      const { plan } = lowerToPlan(graphOf(trial).of, 1, trial.choice);
      expect(kernelsOf(plan).map(({ name }) => name)).toContain(trial.name);
    }
  });
});
