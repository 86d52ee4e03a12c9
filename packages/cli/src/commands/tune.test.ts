import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { lavapipeDriver } from "@residual/kit/testing/lavapipe";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { bin, ended, residual, start, succeed } from "../testing/residual.ts";

const driver = lavapipeDriver();
if (driver === undefined) console.warn("SKIPPED: residual tune; there is no lavapipe (Debian: mesa-vulkan-drivers)");

const folder = temporaryFolder();
const where = (cache: string) => ({ env: { VK_ICD_FILENAMES: driver ?? "", XDG_CACHE_HOME: folder.in(cache) } });

interface Layer {
  readonly count: number;
  readonly before: { readonly ms: number };
  readonly after: { readonly ms: number };
}

describe.skipIf(driver === undefined)("on lavapipe", () => {
  it("times each layer, and what it found is there for the next process", async () => {
    const { stdout } = await succeed(["tune", "mlperf_tiny_resnet8", "--json"], where("json"));
    const [tuned] = JSON.parse(stdout) as [{ readonly layers: readonly Layer[] }];
    expect(tuned).toMatchObject({ model: "mlperf_tiny_resnet8", device: expect.stringMatching(/llvmpipe/) as string });
    expect(tuned.layers.reduce((sum, { count }) => sum + count, 0)).toBe(10); // nine convolutions and a linear layer
    for (const { before, after } of tuned.layers) expect(after.ms).toBeLessThanOrEqual(before.ms);
    expect(await readdir(folder.in("json/residual"))).toEqual([expect.stringMatching(/^webgpu-[0-9a-f]+\.json$/)]);
    const run = [
      "run",
      "mlperf_tiny_resnet8",
      "--backend",
      "webgpu",
      "--weights",
      "fixture:v1",
      "--input",
      "fixture:v1",
    ];
    await succeed([...run, "--out", folder.in("logits.safetensors")], where("json"));
  });

  it("gives a table for people", async () => {
    const { stdout } = await succeed(["tune", "mlperf_tiny_resnet8"], where("json"));
    expect(stdout).toMatch(
      /^mlperf_tiny_resnet8, batch 1, on llvmpipe.*: [\d.]+ ms before, [\d.]+ after: [\d.]+ times as quick, .*\n\nlayer +times +output +before, ms +after, ms/,
    );
  });

  it("stops at Ctrl-C", async () => {
    const child = start(process.execPath, [bin, "tune", "resnet18"], where("stopped"));
    const end = ended(child);
    // kernels were tried
    while ((await readdir(folder.in("stopped/residual")).catch(() => [])).length === 0) await sleep(50);
    child.kill("SIGINT");
    expect(await end).toMatchObject({
      stdout: "",
      code: 130,
      stderr: expect.stringMatching(/AbortError: stopped by Ctrl-C/) as string,
    });
  });
});

it.skipIf(!existsSync("/proc/self"))("looks before any work whether it can keep what it finds", async () => {
  await writeFile(folder.in("file"), "");
  for (const cache of [folder.in("file"), "/proc/none"]) {
    const result = await residual(["tune", "resnet18"], { env: { XDG_CACHE_HOME: cache } });
    const stderr = expect.stringMatching(
      `^FormatError: the findings cannot be kept \\(E.*${cache}.*; set XDG_CACHE_HOME to a folder`,
    ) as string;
    expect(result).toEqual({ stdout: "", code: 1, stderr });
  }
});

it.each([
  [["nope"], 2, /^UsageError: there is no model nope/],
  [["resnet18", "--batch", "0"], 2, /^UsageError: option '--batch <n>' argument '0': expected a whole number from 1/],
] as const)("refuses %s", async (words, code, message) => {
  const result = await residual(["tune", ...words]);
  expect(result).toMatchObject({ stdout: "", code, stderr: expect.stringMatching(message) as string });
});
