import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Tells every module that importing one loads, in a process of its own. */
const script = `
import { registerHooks } from "node:module";
const loaded = new Set();
registerHooks({
  resolve(name, context, next) {
    const found = next(name, context);
    loaded.add(found.url);
    return found;
  },
});
await import(process.argv[1]);
console.log(JSON.stringify([...loaded]));
`;

/** The packages that importing this one loads. */
async function loadedBy(name: string): Promise<ReadonlySet<string>> {
  const flags = ["--conditions=@residual/source", "--input-type=module", "--eval", script];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, name], { cwd });
  const urls = (JSON.parse(stdout) as readonly string[]).filter((url) => !url.startsWith("node:"));
  const packageOf = (url: string) => /.*\/(?:packages|node_modules)\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? url;
  return new Set(urls.map(packageOf));
}

const pipeline = ["core", "fastest-levenshtein", "kit", "pipeline", "vision", "weights"];

it("importing the pipeline loads no adapter, and little else", async () => {
  expect(await loadedBy("@residual/pipeline")).toEqual(new Set(pipeline));
});

it("importing residual loads the pipeline, and nothing of the command line or the suite", async () => {
  expect(await loadedBy("residual")).toEqual(new Set(["cli", ...pipeline]));
});
