import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "@residual/kit/files";
import { describe, expect, it, vi } from "vitest";

const program = fileURLToPath(new URL("../../testing/program.ts", import.meta.url));

/**
 * Runs a program of testing/program.ts to its own end. Rejects on another exit code than 0, on a signal, and on a line
 * on stderr.
 */
async function run(name: string, env: { readonly [name: string]: string } = {}): Promise<unknown> {
  const words = ["--conditions=@residual/source", "--expose-gc", program, name];
  const options = { timeout: 250_000, env: { ...process.env, ...env } };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, options);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("a process", () => {
  it("ends by itself when an executable was never disposed", async () => {
    expect(await run("forget")).toBe("ran");
  });

  it("starts no thread to make a backend, to describe it, or to refuse a graph", async () => {
    const { before, after, codes } = (await run("unused")) as { before: number; after: number; codes: string[] };
    expect(after).toBe(before);
    expect(codes).toEqual(["UnsupportedError", "AbortError"]);
  });

  it.each([
    ["noFiles", /too many files are open|EMFILE/],
    ["noFolder", /the current folder was removed/],
  ])("says why its thread does not start: %s", async (name, words) => {
    const said = await run(name);
    expect(said).toMatch(/^BackendUnavailableError: onnx: the worker thread that runs models does not start/);
    expect(said).toMatch(words);
  });

  it("leaves nothing of onnxruntime's telemetry, where a thread alone loads it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "residual-test-"));
    try {
      vi.stubEnv("ORT_DISABLE_TELEMETRY", undefined);
      expect(await run("telemetry", { HOME: folder, TMPDIR: folder })).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  });

  it("is kept by a run that is waited for", async () => {
    expect(await run("wait")).toEqual([4, 256, 28, 28]);
  });

  // To end it earlier would abort the process: onnxruntime's threads are in mid run.
  it("is kept by what an abort has left under way, and ends well", async () => {
    expect(await run("abort")).toBe("AbortError");
    expect(await run("abortCompile")).toBe("AbortError");
  });

  it("exits with its own code in mid run, and dies of an exception as any does", async () => {
    await expect(run("exit")).rejects.toMatchObject({ code: 3, signal: null, stderr: "" });
    await expect(run("throw")).rejects.toMatchObject({
      code: 1,
      signal: null,
      stderr: expect.stringContaining("died on purpose") as unknown,
    });
  });

  it("that is killed while weights stream leaves them to the next to remove", async () => {
    const folder = await mkdtemp(join(tmpdir(), "residual-test-"));
    try {
      await expect(run("killed", { TMPDIR: folder })).rejects.toMatchObject({ signal: "SIGKILL" });
      const left = await readdir(folder);
      expect(left).toEqual([expect.stringMatching(/^residual-onnx-\d+/), "weights.safetensors"]);
      vi.stubEnv("TMPDIR", folder);
      await using next = await temporaryFolder("onnx");
      expect(await readdir(folder)).toEqual([basename(next.path), "weights.safetensors"]);
    } finally {
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ["rounds", "compile, run and dispose", 120], // 20 × 16 MB of weights, had they stayed
    ["shortRounds", "compile, run and dispose on the caller's thread", 120],
    ["refused", "a compile that fails", 100], // 20 × 25 MB of a thread, had they stayed
  ])("%s: has its memory and its threads back after 20 of %s", async (name, _, megabytes) => {
    const { before, after } = (await run(name)) as { [when: string]: { resident: number; threads: number } };
    expect(after!.threads).toBe(before!.threads);
    expect(after!.resident - before!.resident).toBeLessThan(megabytes);
  });
});
