import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("./testing/program.ts", import.meta.url));
const stub = (file: string) => new URL(`./testing/${file}`, import.meta.url).href;

/** Runs a program of testing/program.ts to its own end. Rejects on another exit code than 0, and on a signal. */
async function run(name: string, stubs: { readonly [name: string]: string } = {}): Promise<unknown> {
  const words = ["--conditions=@residual/source", program, name];
  const env = { ...process.env, STUBS: JSON.stringify(stubs) };
  const { stdout } = await promisify(execFile)(process.execPath, words, { env, timeout: 250_000 });
  return JSON.parse(stdout);
}

describe("tfjs-node", () => {
  const working = { "@tensorflow/tfjs-node": stub("stub-node.ts") };

  it("where it is missing is named with the command that installs it", async () => {
    for (const name of ["node", "node-gpu"]) {
      const found = `@tensorflow/tfjs-${name} is not installed; npm install @tensorflow/tfjs-${name}@4.22.0`;
      expect(await run(name)).toBe(`BackendUnavailableError: tfjs: ${found}`);
    }
  });

  it.each([
    [
      "its addon",
      "stub-without-addon.ts",
      /its addon, .* npm rebuild @tensorflow\/tfjs-node --build-addon-from-source/,
    ],
    [
      "libtensorflow",
      "stub-unlinked.ts?libtensorflow.so.2: cannot open shared object file",
      /does not load \(libtensorflow\.so\.2: cannot open .*\); npm rebuild .* TFJS_NODE_CDN_STORAGE/,
    ],
    [
      "an addon for this machine",
      "stub-unlinked.ts?/lib/napi-v8/tfjs_binding.node: invalid ELF header",
      /does not load \(.*tfjs_binding\.node: invalid ELF header\); npm rebuild .* fetches its addon/,
    ],
    [
      "its version",
      "stub-of-yesterday.ts",
      /is version 4\.10\.0, expected 4\.22\.0; npm install @tensorflow\/tfjs-node@4\.22\.0/,
    ],
    ["an engine", "stub-without-engine.ts", /registers no engine named tensorflow/],
  ])("without %s says the way out", async (_, file, words) => {
    const found = await run("node", { "@tensorflow/tfjs-node": stub(file) });
    expect(found).toMatch(/^BackendUnavailableError: tfjs: @tensorflow\/tfjs-node /);
    expect(found).toMatch(words);
  });

  it("is described, and is the best that there is", async () => {
    expect(await run("node", working)).toMatchObject({
      library: "@tensorflow/tfjs-node",
      version: "4.22.0",
      device: "cpu",
      driver: "libtensorflow 2.9.1",
    });
    expect(await run("best", working)).toBe("@tensorflow/tfjs-node");
    const both = { ...working, "@tensorflow/tfjs-node-gpu": stub("stub-node.ts?gpu") };
    expect(await run("best", both)).toBe("@tensorflow/tfjs-node-gpu");
  });

  it.each([
    ["tfjs-node-gpu", "stub-node.ts"], // without a GPU
    ["tfjs-node", "stub-of-yesterday.ts"],
    ["tfjs-node", "stub-unlinked.ts?libtensorflow.so.2"],
  ])("as an unusable %s (%s) leaves the choice to wasm", async (name, file) => {
    expect(await run("best", { [`@tensorflow/${name}`]: stub(file) })).toBe("@tensorflow/tfjs-backend-wasm");
  });

  it("with a GPU that TensorFlow does not find is refused: TensorFlow would run on the CPU", async () => {
    const without = { "@tensorflow/tfjs-node-gpu": stub("stub-node.ts") };
    expect(await run("node-gpu", without)).toBe(
      "BackendUnavailableError: tfjs: @tensorflow/tfjs-node-gpu finds no GPU; " +
        "it needs CUDA 11.2 and cuDNN 8.1, or take tfjs-node",
    );
  });

  // What its kernels refuse the stub refuses, and each calls util.isNullOrUndefined, which Node 24 has not.
  it("gives the reference's logits, with the paddings that it takes", async () => {
    expect(await run("answer", working)).toBeLessThan(1.3e-6); // ten times what torch's own float32 run is off by
  });
});

describe("where packages are missing", () => {
  const wanted = (engine: string) => `@tensorflow/tfjs-backend-${engine}@4.22.0 @tensorflow/tfjs-core@4.22.0`;

  it.each([
    ["tfjs-core", ["@tensorflow/tfjs-core"]],
    ["the engines' packages", ["cpu", "wasm", "webgl", "webgpu"].map((engine) => `@tensorflow/tfjs-backend-${engine}`)],
  ])("%s: each engine names all that it needs", async (_, names) => {
    const found = await run("engines", Object.fromEntries(names.map((name) => [name, "missing"])));
    const install = (packages: string): unknown =>
      expect.stringMatching(new RegExp(`^BackendUnavailableError: .* is not installed.*; npm install ${packages}$`));
    expect(found).toEqual({
      cpu: install(wanted("cpu")),
      wasm: install(wanted("wasm")),
      webgl: install(wanted("webgl")),
      webgpu: install(`${wanted("webgpu")} webgpu`),
      best: `BackendUnavailableError: tfjs: @tensorflow/tfjs-backend-wasm is not installed, nor does another engine work; npm install ${wanted("wasm")}`,
    });
  });
});

describe("a process", () => {
  it("with two copies of tfjs-core is told of both ways out", async () => {
    expect(await run("second")).toMatch(
      /^BackendUnavailableError: tfjs: another copy of @tensorflow\/tfjs-core .*npm ls.*tfjs\(\{ tf \}\)/,
    );
  });

  it("whose .wasm file is elsewhere is told so, and may say where it is", async () => {
    const wrong = expect.stringMatching(
      /^BackendUnavailableError: .*found no \.wasm file in \/nowhere; .*wasmPaths/,
    ) as unknown;
    expect(await run("nowhere")).toEqual({ wrong, device: "cpu" });
    const unnamed = expect.stringMatching(
      /^BackendUnavailableError: .*found no \.wasm file named tfjs-backend-wasm-simd\.wasm in wasmPaths; /,
    ) as unknown;
    expect(await run("named")).toEqual({ wrong: unnamed, device: "cpu" });
  });

  it("ends by itself when an executable in a thread was never disposed", async () => {
    expect(await run("forget")).toBe("ran");
  });

  it("exits with its own code in mid run", async () => {
    await expect(run("exit")).rejects.toMatchObject({ code: 3, signal: null });
  });
});
