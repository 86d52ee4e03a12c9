import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { WasmOptions } from "./options.ts";
import type { Growth } from "./testing/program.ts";

const program = fileURLToPath(new URL("testing/program.ts", import.meta.url));

/** Runs a program of testing/program.ts to its own end. Rejects on an exit code but 0, a signal, a line on stderr. */
async function run(name: string, options: WasmOptions): Promise<unknown> {
  const words = ["--conditions=@residual/source", program, name, JSON.stringify(options)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { timeout: 250_000 });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

const places: readonly [WasmOptions][] = [[{ worker: false }], [{ threads: 2 }], [{ threads: 1, worker: true }]];

describe.each(places)("a process with %j", (options) => {
  it("ends by itself when an executable was never disposed", async () => {
    expect(await run("forget", options)).toBe("ran");
  });

  it("starts no thread to make a backend, to describe it, or to refuse to compile", async () => {
    expect(await run("unused", options)).toBe(0);
  });

  it("is kept by a run that is waited for, and ends well after an aborted one", async () => {
    expect(await run("wait", options)).toEqual([64, 5]);
    expect(await run("abort", options)).toBe("AbortError");
  });

  it("exits with its own code in mid run", async () => {
    await expect(run("exit", options)).rejects.toMatchObject({ code: 3, signal: null, stderr: "" });
  });

  it("takes no harm where a user's worker that runs the backend is ended in mid run", async () => {
    expect(await run("terminate", options)).toEqual({ more: 0 });
  });

  it.each(["rounds", "roundsBeside"])("has its memory and its threads back: %s", async (name) => {
    const growth = await run(name, options);
    expect(growth).toMatchObject({ threads: 0 });
    expect(growth).toSatisfy(({ megabytes }: Growth) => megabytes < 120); // 640 MB of weights, had they stayed
  });
});
