import { BackendUnavailableError } from "@residual/core";
import { describe, expect, it } from "vitest";
import type { OnnxDevice } from "../../options.ts";
import { tiny } from "../../testing/graphs.ts";
import { onnx } from "./backend.ts";
import { missingDevice } from "./devices.ts";

/** Devices that no machine of this platform has, with what their errors say. */
const foreign: readonly (readonly [device: OnnxDevice, words: string])[] = [
  ...(process.platform === "win32" ? [] : [["dml", "it needs Windows with DirectX 12"] as const]),
  ...(process.platform === "darwin" ? [] : [["coreml", "it needs macOS"] as const]),
];

describe("a device that is missing", () => {
  it.each(foreign)("%s is an error of describe and compile, and not the CPU", async (device, words) => {
    const backend = onnx({ device }); // itself starts nothing, and throws nothing
    expect(backend.name).toBe(`onnx-${device}`);
    for (const attempt of [() => backend.describe(), () => backend.compile(tiny())]) {
      await expect(attempt()).rejects.toThrow(BackendUnavailableError);
      await expect(attempt()).rejects.toThrow(
        `onnx: the device "${device}" cannot be opened on ${process.platform}-${process.arch} (`,
      );
      await expect(attempt()).rejects.toThrow(words);
    }
  });

  it("cuda names the command that fetches its libraries", async () => {
    const found = onnx({ device: "cuda" }).describe();
    await expect(found).rejects.toThrow(BackendUnavailableError);
    await expect(found).rejects.toThrow("npm install onnxruntime-node --onnxruntime-node-install=cuda12");
    if (process.platform === "linux")
      await expect(found).rejects.toThrow("there is no libonnxruntime_providers_cuda.so");
  });

  it("says what onnxruntime says in a line", () => {
    const { message } = missingDevice("webgpu", "Failed to get a WebGPU adapter\n  at somewhere");
    expect(message).toMatch(/ \(Failed to get a WebGPU adapter\); it needs a GPU driver: Vulkan/);
  });
});
