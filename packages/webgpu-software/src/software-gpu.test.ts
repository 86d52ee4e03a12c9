import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
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

const code = `
  import { statSync } from "node:fs";
  import { dirname } from "node:path";
  import { softwareGpu } from "./software-gpu.ts";
  const adapter = await (await softwareGpu()).requestAdapter();
  const folder = dirname(dirname(process.env.VK_ICD_FILENAMES));
  console.log(adapter.info.description, folder, (statSync(folder).mode & 0o777).toString(8));
  process.exit();`;

/** What a process of its own says: the adapter, and the folder that it was loaded from with its permissions. */
function loaded(env: NodeJS.ProcessEnv): string {
  const { stdout } = spawnSync(
    process.execPath,
    ["--conditions=@residual/source", "--input-type=module-typescript", "--eval", code],
    { cwd: import.meta.dirname, env: { PATH: process.env.PATH, ...env }, encoding: "utf8" },
  );
  return stdout;
}

describe("a folder of this process alone, and gone with it, is taken", () => {
  let temporary: string;
  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), "residual-"));
  });
  afterEach(() => rmSync(temporary, { recursive: true }));
  const expectOwn = (stdout: string) => {
    expect(stdout).toMatch(/SwiftShader.* 700\n/);
    expect(stdout).toContain(join(temporary, "residual-webgpu-software-"));
    expect(readdirSync(temporary).filter((name) => name.startsWith("residual-"))).toEqual([]);
  };

  it("without a cache folder", () => {
    expectOwn(loaded({ HOME: "/dev/null/none", XDG_CACHE_HOME: "relative", TMPDIR: temporary }));
    expect(existsSync(join(import.meta.dirname, "relative"))).toBe(false);
  });

  it("where others can write to the cache", () => {
    const shared = join(temporary, "shared");
    mkdirSync(join(shared, "residual"), { recursive: true });
    chmodSync(join(shared, "residual"), 0o777);
    expectOwn(loaded({ XDG_CACHE_HOME: shared, TMPDIR: temporary }));
    expect(readdirSync(join(shared, "residual"))).toEqual([]);
  });

  it("where others can write to what is cached", () => {
    const [folder] = readdirSync(join(cache, "residual"));
    const cached = join(cache, "residual", folder!);
    chmodSync(cached, 0o777);
    expectOwn(loaded({ XDG_CACHE_HOME: cache, TMPDIR: temporary }));
    chmodSync(cached, 0o700);
  });
});

it.each(["libvulkan.so.1", "dawn.node"])(
  "%s of other bytes than the package's is not loaded, but put right",
  (name) => {
    const [folder] = readdirSync(join(cache, "residual"));
    const [other, right] = [mkdtempSync(join(tmpdir(), "residual-")), join(cache, "residual", folder!)];
    cpSync(right, join(other, "residual", folder!), { recursive: true });
    const file = join(other, "residual", folder!, name);
    writeFileSync(file, "planted");
    const stdout = loaded({ XDG_CACHE_HOME: other });
    expect(stdout).toContain(`${join(other, "residual")} `);
    expect(readFileSync(file).equals(readFileSync(join(right, name)))).toBe(true);
    rmSync(other, { recursive: true });
  },
);

it("says what it is for on other systems", async () => {
  const { platform } = process;
  Object.defineProperty(process, "platform", { value: "darwin" });
  try {
    await expect(softwareGpu()).rejects.toThrow(/SwiftShader is for linux x64, this is darwin/);
  } finally {
    Object.defineProperty(process, "platform", { value: platform });
  }
});
