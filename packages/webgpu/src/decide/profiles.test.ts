import { expect, it } from "vitest";
import { profileFor } from "./profiles.ts";

const limits = { maxStorageTexturesPerShaderStage: 8 };
const withSubgroups = { features: new Set(["subgroups"]), limits };
const without = { features: new Set<string>(), limits };
const unnamed = { vendor: "", architecture: "", device: "" };
const of = (subgroupMinSize: number, subgroupMaxSize: number) => ({ subgroupMinSize, subgroupMaxSize });

const lavapipe = { ...unnamed, description: "llvmpipe (LLVM 15.0.6, 256 bits)" };
const swiftShader = { ...unnamed, description: "SwiftShader Device (LLVM 16.0.0)" };
const warp = { ...unnamed, description: "Microsoft Basic Render Driver (WARP)" };
const nvidia = { ...unnamed, description: "NVIDIA" };

const tile = "32×7 on 8 lanes, without subgroups";

it.each([
  ["lavapipe", withSubgroups, { ...lavapipe, ...of(8, 8) }, "lavapipe", "32×7 on 8 lanes"],
  [
    "lavapipe with subgroups of 4 to 16",
    withSubgroups,
    { ...lavapipe, ...of(4, 16) },
    "lavapipe without subgroups",
    tile,
  ],
  ["lavapipe in Deno", without, { ...lavapipe, ...of(8, 8) }, "lavapipe without subgroups", tile],
  ["lavapipe that reports no size", without, lavapipe, "lavapipe without subgroups", tile],
  ["SwiftShader", withSubgroups, { ...swiftShader, ...of(4, 4) }, "SwiftShader", "16×7 on 4 lanes"],
  ["WARP", without, { ...warp, ...of(4, 128) }, "SwiftShader without subgroups", "16×7 on 8 lanes, without subgroups"],
  ["a GPU", without, { ...nvidia, ...of(32, 32) }, "GPU", "conv2d in shared memory"],
] as const)("%s", (_, device, info, name, first) => {
  const profile = profileFor(device, info, {});
  expect([profile.name, profile.strategies[0]!.name]).toEqual([name, first]);
  expect(profile.memory).toBe(name.startsWith("lavapipe") ? "textures" : "buffers");
});

it("lavapipe that binds few textures computes in buffers", () => {
  const few = { ...without, limits: { maxStorageTexturesPerShaderStage: 4 } };
  expect(profileFor(few, lavapipe, {}).memory).toBe("buffers");
});

it("without subgroups no program uses them", () => {
  for (const info of [lavapipe, warp]) {
    const { strategies, memory } = profileFor(without, info, {});
    for (const { kernels } of strategies) {
      for (const kernel of kernels) expect(kernel(memory).program).not.toContain("subgroup");
    }
  }
});
