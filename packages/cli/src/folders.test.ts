import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ended, root, start } from "./testing/residual.ts";

/** The clone's own command, `pnpm --silent residual …`, from wherever in it one is. */
describe("in a clone", async () => {
  const { code } = await ended(start("sh", ["-c", "command -v pnpm"]));
  const missing = code !== 0;
  if (missing) console.warn("SKIPPED: pnpm residual from other folders; there is no pnpm");

  const pnpm = (folder: string, ...words: string[]) =>
    ended(start("pnpm", ["--silent", "residual", ...words], { cwd: join(root, folder) }));

  const folders = [".", "docs/decisions", "packages/core/src"];

  it.skipIf(missing).each(folders)("paths are those of the folder: %s", async (folder) => {
    expect(existsSync(join(root, folder)), folder).toBe(true);
    const depth = folder === "." ? 0 : folder.split("/").length;
    const image = `${"../".repeat(depth)}photos/chelsea.png`;
    const { stdout, code } = await pnpm(folder, "classify", image, "--top", "1", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual([
      { image, predictions: [{ label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number }] },
    ]);
  });

  it.skipIf(missing)("the exit code and the message come through", async () => {
    const { stdout, stderr, code } = await pnpm("packages/core/src", "models", "--jsn");
    expect([stdout, code]).toEqual(["", 2]);
    expect(stderr).toBe("UsageError: unknown option '--jsn'; did you mean --json?\n");
  });
});
