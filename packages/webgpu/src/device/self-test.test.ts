import { describe, expect, it } from "vitest";
import {
  coldProfile,
  type DeviceProfile,
  gpuProfile,
  lavapipe,
  softwareProfile,
  swiftShader,
} from "../decide/profiles.ts";
import { lowerToPlan } from "../lower/lower.ts";
import { gradientGraphOf, graphOf, selfTestsOf } from "./self-test.ts";

const profiles: readonly (readonly [string, DeviceProfile])[] = [
  ["lavapipe", softwareProfile(lavapipe, "textures")],
  ["SwiftShader", softwareProfile(swiftShader, "buffers")],
  [
    "lavapipe without subgroups",
    softwareProfile(lavapipe, "textures", undefined, { lanes: 8, withoutSubgroups: true }),
  ],
  [
    "SwiftShader without subgroups",
    softwareProfile(swiftShader, "buffers", undefined, { lanes: 4, withoutSubgroups: true }),
  ],
  ["GPUs", gpuProfile()],
  ["lavapipe, cold", coldProfile(softwareProfile(lavapipe, "textures"))],
  ["lavapipe in float16", softwareProfile(lavapipe, "textures", "products")],
  ["GPUs in float16", gpuProfile("products")],
];

describe.each(profiles)("the self-test on %s", (_, profile) => {
  const fast = profile.strategies.flatMap(({ trial, ...strategy }) => (trial ? [{ ...strategy, trial }] : []));

  it.each(fast.map((strategy) => [strategy.name, strategy] as const))("runs all kernels of %s", (_name, strategy) => {
    for (const packs of [false, true]) {
      const { of } = graphOf({ trial: strategy.trial, packs });
      const lowered = lowerToPlan(of, 1, { ...profile, strategies: [strategy] });
      const names = strategy.kernels.map((kernel) => kernel(profile.memory).name);
      expect([...lowered.kernels.keys()]).toEqual(expect.arrayContaining(names));
      const tests = selfTestsOf(lowered, profile.memory);
      expect(tests.map((test) => test.packs)).toEqual(packs ? [false, true] : [false]);
      if (packs) expect(tests[1]!.kernels).toEqual([strategy.packing(profile.memory).name]);
    }
  });

  it.each(profile.weightGradients.map((strategy) => [strategy.name, strategy] as const))(
    "runs all kernels of %s, several parts of its sums",
    (_name, strategy) => {
      const { of } = gradientGraphOf(strategy.outputs);
      const lowered = lowerToPlan(of, 1, { ...profile, weightGradients: [strategy] });
      const names = strategy.kernels.map((kernel) => kernel(profile.memory).name);
      expect([...lowered.kernels.keys()]).toEqual(expect.arrayContaining(names));
      expect(lowered.plan.dispatches.find(({ kernel }) => kernel === names[0])!.workgroups[2]).toBeGreaterThan(1);
      expect(selfTestsOf(lowered, profile.memory).map(({ kernels }) => kernels)).toEqual([names]);
    },
  );

  it("runs twice, on different inputs", () => {
    for (const { trial } of fast) {
      const [first, second] = graphOf({ trial, packs: true }).inputs;
      for (const name of ["x", "weight", "residual"]) expect(second![name]!.data).not.toEqual(first![name]!.data);
    }
  });
});
