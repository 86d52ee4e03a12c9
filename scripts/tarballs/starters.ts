import { cpSync, globSync } from "node:fs";
import { basename, join } from "node:path";
import { output, type Row, type Site } from "./site.ts";

/** Copies a starter out of the workspace, and installs it with npm. The folder that it lies in. */
async function copied(site: Site, name: string): Promise<string> {
  const home = join(site.folder, "starters");
  const isSource = (path: string) => !["node_modules", "dist", ".turbo"].includes(basename(path));
  cpSync(join("apps", name), join(home, name), { recursive: true, filter: isSource });
  await site.install(join(home, name));
  return home;
}

/** The tests of scripts/starters, on copies. */
export const starterRows: readonly Row[] = globSync("*.test.ts", { cwd: "scripts/starters" })
  .toSorted()
  .map((test) => ({
    where: "Starter",
    what: basename(test, ".test.ts"),
    isQuick: false,
    async run(site) {
      const env = { STARTERS: await copied(site, basename(test, ".test.ts")) };
      const words = ["run", "--reporter=default", join("scripts/starters", test)];
      await output({ command: "vitest", words, cwd: process.cwd(), env });
    },
  }));
