import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { published } from "./published.ts";

const REPOSITORY = "https://github.com/residual-js/residual";

/** The oldest Node that the packages run on: scripts/tarballs tries it. */
const NODE = "20.19";

it("the command line, the README and the workspace name the same Node as the packages", () => {
  expect(readFileSync("packages/cli/bin/residual.js", "utf8")).toContain(`: "${NODE}";`);
  expect(readFileSync("README.md", "utf8")).toContain(`Node ${NODE}`);
  expect(JSON.parse(readFileSync("package.json", "utf8"))).toMatchObject({ engines: { node: `>=${NODE}.0` } });
});

it("every package that ours bring has a licence", () => {
  const words = ["--silent", "-r", "licenses", "list", "--prod", "--json"];
  const { stdout } = spawnSync("pnpm", words, { encoding: "utf8" });
  const licences = Object.keys(JSON.parse(stdout) as object);
  expect(licences).toContain("MIT");
  expect(licences).not.toContain("Unknown");
});

describe.each(published)("%s/package.json", (folder) => {
  const manifest = JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as {
    readonly [field: string]: unknown;
    readonly dependencies?: { readonly [name: string]: string };
  };

  it("says where the package comes from, and whom to tell of a bug", () => {
    expect(manifest).toMatchObject({
      repository: { type: "git", url: `git+${REPOSITORY}.git`, directory: folder },
      homepage: `${REPOSITORY}/tree/main/${folder}#readme`,
      bugs: `${REPOSITORY}/issues`,
      license: "MIT",
      publishConfig: { access: "public" }, // else a scoped package is published for its owners alone
    });
    expect(manifest.keywords).not.toEqual([]);
  });

  it("asks for the Node that all ask for", () => {
    expect(manifest).toMatchObject({ engines: { node: `>=${NODE}.0` } });
  });

  it("depends on others of the workspace as they are", () => {
    const own = Object.entries(manifest.dependencies ?? {}).filter(([name]) => name.startsWith("@residual/"));
    for (const [name, version] of own) expect(version, name).toBe("workspace:*");
  });
});

it.each(globSync("apps/*/package.json").toSorted())(
  "%s is private or among those published, and names exact versions",
  (path) => {
    const manifest = JSON.parse(readFileSync(path, "utf8")) as {
      readonly private?: boolean;
      readonly dependencies?: { readonly [name: string]: string };
      readonly devDependencies?: { readonly [name: string]: string };
    };
    const isMeantForNpm = ["apps/bulk", "apps/server"].includes(dirname(path));
    expect(manifest.private).toBe(isMeantForNpm ? undefined : true);
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      expect(version, name).toMatch(/^(residual|@residual\/)/.test(name) ? /^workspace:\*$/ : /^\d+\.\d+\.\d+$/);
  },
);
