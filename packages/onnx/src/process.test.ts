import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("./testing/program.ts", import.meta.url));

/** Runs a program of testing/program.ts to its own end. Rejects on another exit code than 0, on a signal, and on a line on stderr. */
async function run(name: string): Promise<unknown> {
  const words = ["--conditions=@residual/source", "--expose-gc", program, name];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { timeout: 250_000 });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("a process", () => {
  it("ends by itself when an executable was never disposed", async () => {
    expect(await run("forget")).toBe("ran");
  });

  it("has the threads back of backends that nobody used, and does not wait for the last", async () => {
    const { before, after } = (await run("unused")) as { before: number; after: number };
    expect(after).toBeLessThanOrEqual(before + 1); // of 20; V8 may hold on to the last
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

  it("has its memory and its threads back after 20 rounds of compile, run and dispose", async () => {
    const { before, after } = (await run("rounds")) as { [when: string]: { resident: number; threads: number } };
    expect(after!.threads).toBe(before!.threads);
    expect(after!.resident - before!.resident).toBeLessThan(120); // 20 × 16 MB of weights, had they stayed
  });
});
