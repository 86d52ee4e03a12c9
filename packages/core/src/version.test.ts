import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { version } from "./version.ts";

const cwd = fileURLToPath(new URL("../../..", import.meta.url));
const manifests = globSync("{packages/*,conformance,apps/{bulk,server}}/package.json", { cwd });

it.each(manifests)("%s has it", (path) => {
  expect(JSON.parse(readFileSync(`${cwd}${path}`, "utf8"))).toMatchObject({ version });
});
