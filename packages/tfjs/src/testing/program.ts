/**
 * Programs that `process.test.ts` runs in processes of their own: `node program.ts NAME`. Each prints one JSON
 * document. STUBS names files that stand for packages, and packages that are missing:
 * {"@tensorflow/tfjs-node": "file:…", "@tensorflow/tfjs-core": "missing"}.
 */
import { createRequire, registerHooks } from "node:module";

const stubs = JSON.parse(process.env.STUBS ?? "{}") as { readonly [name: string]: string };
registerHooks({
  resolve: (specifier, context, next) => {
    const url = stubs[specifier];
    if (url === "missing")
      throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "ERR_MODULE_NOT_FOUND" });
    return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
  },
});

const { bind, fixtureInput, fixtureWeights, reference, ResidualError, resnet, variants } = await import(
  "@residual/core"
);
const { tfjs } = await import("../backend.ts");
const { fill, slow, tiny } = await import("./graphs.ts");

/** An error of ours as the command line shows it; any other ends the process. */
function inWords(error: unknown): string {
  if (error instanceof ResidualError) return `${error.code}: ${error.message}`;
  throw error;
}

const folder = () => new URL(".", import.meta.resolve("@tensorflow/tfjs-backend-wasm")).href;

const programs: { readonly [name: string]: () => Promise<unknown> } = {
  /** What tfjs-node says of itself, or why it does not. */
  node: () => tfjs({ engine: "node" }).describe().catch(inWords),
  "node-gpu": () => tfjs({ engine: "node-gpu" }).describe().catch(inWords),
  /** What each engine says where packages are missing, and what the choice among them says. */
  async engines() {
    const said: { [engine: string]: unknown } = {};
    for (const engine of ["cpu", "wasm", "webgl", "webgpu"] as const)
      said[engine] = await tfjs({ engine })
        .describe()
        .then(() => "works", inWords);
    return {
      ...said,
      best: await tfjs()
        .describe()
        .then(() => "works", inWords),
    };
  },
  /** The largest difference of ResNet-20's logits from the reference's, of the largest of them, on tfjs-node. */
  async answer() {
    const open = resnet(variants.cifar_resnet20, { input: [2, 3, 32, 32] });
    const graph = bind(open, fixtureWeights(open, "v1"));
    const image = fixtureInput("v1", [2, 3, 32, 32]);
    await using executable = await tfjs({ engine: "node" }).compile(graph);
    await using exact = await reference.compile(graph);
    const [found, expected] = [(await executable.run({ image })).logits.data, (await exact.run({ image })).logits.data];
    const largest = Math.max(...Array.from(expected, Math.abs));
    return Math.max(...Array.from(expected, (value, i) => Math.abs(value - found[i]!))) / largest;
  },
  /** The engine that is taken where none is asked for. */
  best: async () => (await tfjs().describe()).library,
  /** With another copy of tfjs-core loaded first. */
  async second() {
    const require = createRequire(import.meta.url);
    require("@tensorflow/tfjs-core");
    delete require.cache[require.resolve("@tensorflow/tfjs-core")]; // whoever loads it next gets a copy
    return tfjs({ engine: "wasm" }).describe().catch(inWords);
  },
  /** Wasm where its file is not, then in its folder. */
  async nowhere() {
    const wrong = await tfjs({ engine: "wasm", wasmPaths: "/nowhere" }).describe().catch(inWords);
    const { device } = await tfjs({ engine: "wasm", wasmPaths: folder() }).describe();
    return { wrong, device };
  },
  /** Wasm with files by name: none of them the one that is needed, then that one. */
  async named() {
    const plain = { "tfjs-backend-wasm.wasm": `${folder()}tfjs-backend-wasm.wasm` };
    const wrong = await tfjs({ engine: "wasm", wasmPaths: plain }).describe().catch(inWords);
    const simd = { "tfjs-backend-wasm-simd.wasm": `${folder()}tfjs-backend-wasm-simd.wasm` };
    const { device } = await tfjs({ engine: "wasm", wasmPaths: simd }).describe();
    return { wrong, device };
  },
  /** Never disposes, and is done. */
  async forget() {
    const executable = await tfjs({ engine: "wasm", worker: true }).compile(tiny());
    await executable.run({ image: fill([1, 4, 8, 8], 1) });
    return "ran";
  },
  /** Exits in mid run. */
  async exit() {
    const executable = await tfjs({ engine: "wasm", worker: true }).compile(slow());
    void executable.run({ image: fill([1, 64, 56, 56], 1) });
    setTimeout(() => process.exit(3), 50);
    return "begun";
  },
};

console.log(JSON.stringify(await programs[process.argv[2]!]!()));
