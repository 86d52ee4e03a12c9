import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runUntilItSpeaks } from "./testing/child.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "residual-test-"));
});
afterEach(() => rm(folder, { recursive: true }));

it("a path that cannot be removed leaves the other paths to be removed, and the exit code as it is", async () => {
  const code = `
    import { writeFileSync } from "node:fs";
    import { removeAtExit } from "./at-exit.ts";
    process.on("exit", (code) => console.log(code));
    removeAtExit(${JSON.stringify(join(folder, "x".repeat(300)))}); // no file system has such a name
    writeFileSync(${JSON.stringify(join(folder, "part"))}, "");
    removeAtExit(${JSON.stringify(join(folder, "part"))});
    process.exitCode = 3;`;
  expect(await runUntilItSpeaks(import.meta.url, code)).toBe("3");
  expect(await readdir(folder)).toEqual([]);
});
