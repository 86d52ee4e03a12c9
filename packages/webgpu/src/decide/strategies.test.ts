import { bind, fixtureWeights, optimize, resnet, select, variants } from "@residual/core";
import { describe, expect, it } from "vitest";
import { lowerToPlan } from "../lower/lower.ts";
import { keyOf } from "./layer.ts";
import {
  coldProfile,
  type DeviceProfile,
  gpuProfile,
  kernelTexts,
  lavapipe,
  plainProfile,
  softwareProfile,
  swiftShader,
} from "./profiles.ts";
import { strategiesFor } from "./strategies.ts";

const profiles: readonly DeviceProfile[] = [
  softwareProfile(lavapipe, "textures"),
  softwareProfile(lavapipe, "textures", "products"),
  softwareProfile(swiftShader, "buffers"),
  gpuProfile(),
  gpuProfile("storage"),
  softwareProfile(lavapipe, "textures", undefined, { lanes: 8, withoutSubgroups: true }),
  plainProfile(),
];

const model = resnet(variants.cifar_resnet20, { input: ["N", 3, 32, 32] });
const network = optimize(select(bind(model, fixtureWeights(model, "v1")), ["logits"]));
const lowered = (profile: DeviceProfile) => lowerToPlan(network, 2, profile);
/** The strategy of each layer, by the layer's key. */
const chosen = (profile: DeviceProfile) =>
  lowered(profile).layers.map(({ layer, strategy }) => [keyOf(layer), strategy.name] as const);

describe.each(profiles.map((profile) => [profile.name, profile.memory, profile] as const))(
  "%s, %s",
  (_, __, profile) => {
    it("has strategies with names of their own", () => {
      const names = profile.strategies.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    });

    it("computes any layer by the plain kernel at least", () => {
      for (const { layer } of lowered(profile).layers)
        expect(strategiesFor(profile, layer).map(({ name }) => name)).toContain("plain");
    });

    it("takes what was measured for a layer, and for no other", () => {
      const before = chosen(profile);
      const [key] = before.at(-2)!;
      const after = chosen({ ...profile, tuned: new Map([[key, "plain"]]) });
      expect(after).toEqual(before.map(([each, name]) => [each, each === key ? "plain" : name]));
    });

    it("ignores the names of strategies that it does not have", () => {
      const tuned = new Map(chosen(profile).map(([key]) => [key, "a kernel of tomorrow"]));
      expect(chosen({ ...profile, tuned })).toEqual(chosen(profile));
    });

    it("lists the text of every program of a plan", () => {
      const texts = new Set(kernelTexts(profile));
      for (const { program } of lowered(profile).kernels.values()) expect(texts).toContain(program);
    });

    it("has among its cold strategies only its own", () => {
      for (const each of profile.cold) expect(profile.strategies).toContain(each);
      expect(lowered(coldProfile(profile)).layers.length).toBeGreaterThan(5);
    });
  },
);

it("what no strategy fits is an error that names the layer", () => {
  const [strip] = softwareProfile(lavapipe, "textures").strategies.filter(({ name }) => name.startsWith("strips"));
  expect(() => lowered({ ...plainProfile(), strategies: [strip!] })).toThrow(
    /^no strategy of plain computes x 2×3×32×32, weight 16×3×3×3, bias true, /,
  );
});
