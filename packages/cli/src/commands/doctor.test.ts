import { expect, it } from "vitest";
import { document, succeed } from "../testing/residual.ts";

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
  expect(report).toEqual({
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    backends: [
      { name: "onnx", version, ...works },
      { name: "webgpu", version: null, ...missing },
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
      { name: "tfjs-webgl", version: null, ...missing, reason: expect.stringContaining("no WebGL here") as string },
      { name: "tfjs-cpu", version, ...works },
      { name: "reference", version, ...works },
    ],
  });
  const fields = ["name", "available", "version", "device", "driver", "verified", "reason", "install"];
  for (const each of report.backends) expect(Object.keys(each)).toEqual(fields); // in the contract's order
});

it("says it in a table for people", async () => {
  const { stdout } = await succeed(["doctor"], noDriver);
  expect(stdout).toMatch(/^Node [\d.]+ on \w+-\w+\n\nbackend +state +version +device\n/);
  expect(stdout).toMatch(
    /^onnx +works +[\d.]+ +cpu\nwebgpu +missing .*\n(onnx-\w+ +missing .*\n){4}tfjs +works +[\d.]+ +cpu\n(tfjs-.*\n){6}reference +works +[\d.]+ +cpu$/m,
  );
});
