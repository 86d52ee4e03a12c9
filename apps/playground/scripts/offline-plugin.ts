import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Plugin, type Rollup, transformWithOxc } from "vite";

/**
 * Code of backends: kept when it is first used, and not before. wasm and webgpu, which `auto` chooses between, come
 * with the page. An address of a file (`?url`) is no code.
 */
const BACKENDS = /(onnxruntime-web|@tensorflow|packages\/(onnx|tfjs)|conformance)\/.*(?<!\?url)$/;
/** Assets that the page opens with. */
const OPENS_WITH = /^assets\/.*\.(css|woff2|safetensors)$|^photos\//;

const source = new URL("../service-worker/service-worker.ts", import.meta.url);

export interface Offline {
  /** For the page's build: writes `service-worker.js` with the list of the files to keep. */
  readonly page: () => Plugin;
  /** For the builds of its workers: their files are listed too. */
  readonly worker: () => Plugin;
}

/** `more` are files of the public folder. */
export function offline(more: readonly string[]): Offline {
  const kept = new Set<string>(["./", ...more]);
  const collect = (bundle: Rollup.OutputBundle) => {
    for (const file of Object.values(bundle)) if (isKept(file)) kept.add(file.fileName);
  };
  return {
    worker: () => ({ name: "offline-worker", generateBundle: (_, bundle) => collect(bundle) }),
    page: () => ({
      name: "offline",
      apply: "build",
      async writeBundle({ dir }, bundle) {
        collect(bundle);
        await writeFile(join(dir!, "service-worker.js"), await serviceWorker(dir!, [...kept].toSorted()));
      },
    }),
  };
}

function isKept(file: Rollup.OutputAsset | Rollup.OutputChunk): boolean {
  if (file.type === "chunk") return !file.moduleIds.some((id) => BACKENDS.test(id));
  return OPENS_WITH.test(file.fileName);
}

/** The worker imports nothing, so that its types need only be left out. */
async function serviceWorker(folder: string, files: readonly string[]): Promise<string> {
  const version = createHash("sha256");
  for (const file of files) version.update(await readFile(join(folder, file === "./" ? "index.html" : file)));
  const { code } = await transformWithOxc(await readFile(source, "utf8"), source.pathname);
  const constants = { KEPT_FILES: files, VERSION: version.digest("hex").slice(0, 12) };
  const lines = Object.entries(constants).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};\n`);
  return lines.join("") + code;
}
