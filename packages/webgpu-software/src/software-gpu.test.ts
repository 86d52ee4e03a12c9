import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
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

it("without a cache folder unpacks into one that is this process's alone, and gone with it", () => {
  const temporary = mkdtempSync(join(tmpdir(), "residual-"));
  const code = `
    import { statSync } from "node:fs";
    import { dirname } from "node:path";
    import { softwareGpu } from "./software-gpu.ts";
    const adapter = await (await softwareGpu()).requestAdapter();
    const folder = dirname(dirname(process.env.VK_ICD_FILENAMES));
    console.log(adapter.info.description, folder, (statSync(folder).mode & 0o777).toString(8));
    process.exit();`;
  const { stdout } = spawnSync(
    process.execPath,
    ["--conditions=@residual/source", "--input-type=module-typescript", "--eval", code],
    {
      cwd: import.meta.dirname,
      env: { PATH: process.env.PATH, HOME: "/dev/null/none", XDG_CACHE_HOME: "relative", TMPDIR: temporary },
      encoding: "utf8",
    },
  );
  expect(stdout).toMatch(/SwiftShader.* 700\n/);
  expect(stdout).toContain(join(temporary, "residual-webgpu-software-"));
  expect([readdirSync(temporary), existsSync(join(import.meta.dirname, "relative"))]).toEqual([[], false]);
  rmSync(temporary, { recursive: true });
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
