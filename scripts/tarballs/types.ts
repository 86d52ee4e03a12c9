import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { output, type Row, type Site } from "./site.ts";

const compilers = { "TypeScript 5.9": "typescript-5.9", "TypeScript 7": "typescript" };
const modules = { nodenext: "nodenext", bundler: "esnext" };

/** A platform's own types: those of a page, those of a program in Node, or none, as in the README. */
const platforms = {
  "no platform": { lib: [], types: [] },
  "the DOM": { lib: ["dom"], types: [] },
  "@types/node": { lib: [], types: ["node"] },
};

/** Every entry's declarations, and all that they import, are checked; no optional peer is installed. */
async function check(site: Site, compiler: string, options: object): Promise<void> {
  const cwd = await site.project({ name: "types", others: { "@types/node": "24.19.2" }, withoutOptional: true });
  const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true };
  writeFileSync(
    join(cwd, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...strict, ...options }, files: ["entries.ts"] }),
  );
  const tsc = fileURLToPath(new URL(`../../node_modules/${compiler}/bin/tsc`, import.meta.url));
  await output({ command: process.execPath, words: [tsc, "--project", "."], cwd });
}

export const typeRows: readonly Row[] = Object.entries(compilers).flatMap(([where, compiler]) =>
  Object.entries(modules).flatMap(([moduleResolution, module]) =>
    Object.entries(platforms).map(
      ([platform, { lib, types }]): Row => ({
        where,
        what: `${moduleResolution}, ${platform}`,
        isQuick: true,
        run: (site) =>
          check(site, compiler, {
            target: "es2022",
            lib: ["es2022", "esnext.disposable", ...lib], // the second for `await using`
            module,
            moduleResolution,
            types,
          }),
      }),
    ),
  ),
);
