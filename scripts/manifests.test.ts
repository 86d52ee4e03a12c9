import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const REPOSITORY = "https://github.com/residual-js/residual";

describe.each(globSync(["packages/*", "conformance"]).toSorted())("%s/package.json", (folder) => {
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

  it("depends on others of the workspace as they are", () => {
    const own = Object.entries(manifest.dependencies ?? {}).filter(([name]) => name.startsWith("@residual/"));
    for (const [name, version] of own) expect(version, name).toBe("workspace:*");
  });
});
