import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import { type Budget, mostOf } from "./budgets.ts";

/** Bytes of each package in what a page fetches. */
export type Weight = ReadonlyMap<string, number>;

/** The command line's package has all others as dependencies. */
const CLI = fileURLToPath(new URL("../../packages/cli/", import.meta.url));

/** Bundles a budget's import with esbuild for browsers, from the built packages. */
export async function weigh({ code, chunk }: Pick<Budget, "code" | "chunk">): Promise<Weight> {
  const { metafile, outputFiles } = await build({
    stdin: { contents: code, resolveDir: CLI },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    outdir: "out",
    external: ["@tensorflow/*", "onnxruntime-web"],
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const first = fetchedWith(
    metafile,
    entryOf(metafile, (path) => path === "<stdin>"),
  );
  const isAsked = (path: string) => chunk !== undefined && ownerOf(path) === chunk;
  const paths = chunk === undefined ? [...first] : [...fetchedWith(metafile, entryOf(metafile, isAsked))];
  const fetched = paths.filter((path) => chunk === undefined || !first.has(path));
  const packed = new Map(outputFiles.map(({ path, contents }) => [path, gzipSync(contents, { level: 9 }).length]));
  return sharesOf(fetched.map((path) => ({ ...metafile.outputs[path]!, bytes: sizeOf(packed, path) })));
}

function entryOf({ outputs }: Metafile, isMeant: (path: string) => boolean): string {
  const found = Object.keys(outputs).find((path) => isMeant(outputs[path]!.entryPoint ?? ""));
  if (found === undefined) throw new Error("the import is in no chunk of its own");
  return found;
}

/** A chunk, and all chunks that it imports before it runs. */
function fetchedWith({ outputs }: Metafile, path: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(path)) return found;
  found.add(path);
  const imports = outputs[path]!.imports.filter(({ kind, external }) => kind === "import-statement" && !external);
  for (const each of imports) fetchedWith({ inputs: {}, outputs }, each.path, found);
  return found;
}

const sizeOf = (packed: ReadonlyMap<string, number>, path: string): number =>
  [...packed].find(([written]) => written.replaceAll("\\", "/").endsWith(`/${path}`))![1];

interface Chunk {
  readonly bytes: number;
  readonly inputs: Metafile["outputs"][string]["inputs"];
}

/** A chunk's compressed bytes go to the packages by their shares before compression. */
function sharesOf(chunks: readonly Chunk[]): Weight {
  const shares = new Map<string, number>();
  for (const { bytes, inputs } of chunks) {
    const parts = Object.entries(inputs).map(([path, { bytesInOutput }]) => [ownerOf(path), bytesInOutput] as const);
    const whole = parts.reduce((sum, [, size]) => sum + size, 0);
    for (const [owner, size] of parts.filter((part) => part[1] > 0))
      shares.set(owner, (shares.get(owner) ?? 0) + (bytes * size) / whole);
  }
  return shares;
}

/** The package of a file, from its path. */
function ownerOf(path: string): string {
  const [, own] = /packages\/([^/]+)\/dist\//.exec(path) ?? [];
  if (own !== undefined) return own === "cli" ? "residual" : `@residual/${own}`;
  const [, other] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  return other ?? path;
}

const inKb = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

/** A sentence for each package that is larger than its budget, or that should not be there. */
export function excesses(budget: Budget, weight: Weight): readonly string[] {
  const total = inKb([...weight.values()].reduce((sum, each) => sum + each, 0));
  const found = `${budget.name}: ${total} compressed, ${mostOf(budget)} kB at most`;
  return [...weight].flatMap(([owner, bytes]) => {
    const most = budget.most[owner];
    if (most === undefined)
      return [`${found}; ${owner} has come into it with ${inKb(bytes)}: import it on demand, or give it a budget`];
    return bytes <= most * 1000 ? [] : [`${found}; ${owner} has grown to ${inKb(bytes)} of it, from ${most} at most`];
  });
}
