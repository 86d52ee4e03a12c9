import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { softwareGpu } from "./software-gpu.ts";

const cache = mkdtempSync(join(tmpdir(), "residual-"));
process.env.XDG_CACHE_HOME = cache;
afterAll(() => rmSync(cache, { recursive: true }));

it("gives SwiftShader's adapter, out of a folder that is made once and whole", async () => {
  const [first, second] = await Promise.all([softwareGpu(), softwareGpu()]);
  for (const gpu of [first, second]) {
    const adapter = await gpu.requestAdapter();
    expect(adapter?.info.description).toContain("SwiftShader");
  }
  const [folder, ...others] = readdirSync(join(cache, "residual"));
  expect(others).toEqual([]);
  expect(readdirSync(join(cache, "residual", folder!)).sort()).toEqual([
    "dawn.node",
    "libvk_swiftshader.so",
    "libvulkan.so.1",
    "vk_swiftshader_icd.json",
  ]);
});

it("says what it is for on other systems", async () => {
  const { platform } = process;
  Object.defineProperty(process, "platform", { value: "darwin" });
  try {
    await expect(softwareGpu()).rejects.toThrow(/SwiftShader is for linux x64, this is darwin/);
  } finally {
    Object.defineProperty(process, "platform", { value: platform });
  }
});
