import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { bin, document, ended, residual, start, succeed, without } from "../testing/residual.ts";

/** Whatever Vulkan driver this machine has is not looked at, so that the answer is the same everywhere. */
const noDriver = { env: { VK_ICD_FILENAMES: "/none", VK_DRIVER_FILES: "/none" } };

it("tries each backend, best first", async () => {
  const report = await document<{ backends: readonly object[] }>(["doctor"], noDriver);
  const works = { available: true, device: "cpu", driver: null, verified: true, reason: null, install: null };
  const reason = expect.stringContaining("no GPU adapter; install a Vulkan driver") as string;
  const missing = { available: false, device: null, driver: null, verified: false, reason, install: null };
  const notInstalled = (name: string) => ({
    reason: expect.stringContaining("is not installed") as string,
    install: `npm install ${name}`,
  });
  const version = expect.stringMatching(/^\d+\.\d+\.\d+$/) as string;
  const why = expect.stringMatching(/^native code on the CPU/) as string;
  const formats = ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "PNM"];
  const onThreads: unknown = expect.stringMatching(/relaxed.*, \d+ threads?/);
  const pictures = { name: "sharp", available: true, version, verified: true, reason: null, install: null, formats };
  expect(report).toEqual({
    pictures,
    browser: ["webgpu", "wasm", "onnx", "tfjs-wasm", "tfjs-webgpu", "tfjs-cpu"], // as installed for the tests here
    auto: { name: "onnx", reason: why, large: { name: "onnx", reason: why } },
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    backends: [
      { name: "onnx", version, ...works },
      { name: "webgpu", version: null, ...missing },
      { name: "wasm", version, ...works, driver: onThreads },
      {
        name: "onnx-cuda",
        version: null,
        ...missing,
        reason: expect.stringContaining("there is no libonnxruntime_providers_cuda.so") as string,
        install: "npm install onnxruntime-node --onnxruntime-node-install=cuda12",
      },
      { name: "onnx-dml", version: null, ...missing, reason: expect.stringContaining("it needs Windows") as string },
      { name: "onnx-coreml", version: null, ...missing, reason: expect.stringContaining("it needs macOS") as string },
      {
        name: "onnx-webgpu",
        version: null,
        ...missing,
        reason: expect.stringContaining("it needs a GPU driver") as string,
      },
      { name: "tfjs", version, ...works },
      { name: "tfjs-node-gpu", version: null, ...missing, ...notInstalled("@tensorflow/tfjs-node-gpu@4.22.0") },
      { name: "tfjs-node", version: null, ...missing, ...notInstalled("@tensorflow/tfjs-node@4.22.0") },
      { name: "tfjs-wasm", version, ...works },
      { name: "tfjs-webgpu", version: null, ...missing },
      {
        name: "tfjs-webgl",
        version: null,
        ...missing,
        reason: expect.stringContaining("WebGL exists only in browsers") as string,
      },
      { name: "tfjs-cpu", version, ...works },
      { name: "reference", version, ...works },
    ],
  });
  const fields = ["name", "available", "version", "device", "driver", "verified", "reason", "install"];
  for (const each of report.backends) expect(Object.keys(each)).toEqual(fields); // in the contract's order
});

describe("for people", () => {
  const none = { ...noDriver.env };

  it("says what works, then what to do for the others, each cause once, in 80 columns", async () => {
    const { stdout } = await succeed(["doctor"], noDriver);
    expect(stdout).toMatch(/^Node [\d.]+ on \w+-\w+\n\n(✓ .+\n)+(– .+\n( +\S.*\n)*)+\nauto takes onnx: .+\n$/);
    expect(stdout).toMatch(/^✓ onnx +[\d.]+, cpu$/m);
    expect(stdout).toMatch(/^✓ wasm +[\d.]+, cpu, .*relaxed.*, \d+ threads?/m);
    expect(stdout).toMatch(/^✓ pictures +sharp [\d.]+, since it loads here$/m);
    expect(stdout).toMatch(/^– onnx-cuda +npm install onnxruntime-node --onnxruntime-node-install=cuda12$/m);
    expect(stdout).toMatch(/^– tfjs-webgpu +as webgpu$|apt install/m);
    for (const command of stdout.match(/npm install \S+/g)!)
      expect(stdout.split(`${command}\n`).length).toBeLessThan(3);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("is content with wasm where no runtime is installed", async () => {
    const env = { ...none, ...without(/^(onnxruntime|@tensorflow|webgpu$)/) };
    const { stdout, code } = await residual(["doctor"], { env });
    expect(stdout.match(/^✓ .*/gm)).toEqual([
      expect.stringMatching("✓ wasm"),
      expect.stringMatching("✓ reference"),
      expect.stringMatching("✓ pictures"),
      expect.stringMatching(/^✓ in a page +webgpu, wasm$/),
    ]);
    expect(stdout).toContain("auto takes wasm");
    expect(code).toBe(0);
  });
});

it("says that pictures are decoded without sharp, and why, where it is missing", async () => {
  const env = { ...noDriver.env, ...without(/^sharp$/) };
  const { stdout } = await succeed(["doctor"], { env });
  expect(stdout).toMatch(/^✓ pictures +portable, since sharp is not installed; npm install sharp$/m);
  const formats = ["JPEG", "PNG", "WebP", "GIF", "BMP", "PNM"];
  const reason = "sharp is not installed; npm install sharp";
  expect((await document<{ pictures: object }>(["doctor"], { env })).pictures).toEqual({
    name: "portable",
    available: true,
    version: null,
    verified: true,
    reason,
    install: "npm install sharp",
    formats,
  });
});

it("ends at Ctrl-C, whatever is being tried", async () => {
  const endless = "console.error('trying'); setInterval(() => {}, 1000); await new Promise(() => {});";
  const hooks = `import { registerHooks } from "node:module";
    registerHooks({ resolve(name, context, next) {
      if (name !== "webgpu") return next(name, context);
      return { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(endless)}`)}, shortCircuit: true };
    } });`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
  const child = start(process.execPath, [bin, "doctor"], { env: { ...noDriver.env, NODE_OPTIONS } });
  const end = ended(child);
  await once(child.stderr!, "data");
  child.kill("SIGINT");
  expect(await end).toEqual({ stdout: "", stderr: "trying\nAbortError: stopped by Ctrl-C\n", code: 130 });
});
