import { BackendUnavailableError } from "@residual/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { adapterDriver, adapterName, isSoftwareAdapter, noAdapter, platformGpu } from "./gpu.ts";

afterEach(() => vi.unstubAllGlobals());

const unknown = { vendor: "", architecture: "", device: "", description: "" };
const lavapipe = {
  vendor: "mesa",
  architecture: "software",
  device: "llvmpipe-llvm-15-0-6-256-bits-",
  description: "llvmpipe: Mesa 25.0.7 (LLVM 15.0.6) 0.0.1",
};
const inDeno = { vendor: "65541", architecture: "", device: "0", description: "llvmpipe (LLVM 15.0.6, 256 bits)" };
const inChromium = { ...unknown, vendor: "nvidia", architecture: "ampere" };

it("an adapter is named by its device, else by its description, else by its family", () => {
  const described = { ...unknown, vendor: "nvidia", description: "D3D12" };
  const numbered = { ...inDeno, description: "" };
  expect([lavapipe, inChromium, described, inDeno, numbered, unknown].map(adapterName)).toEqual([
    "llvmpipe-llvm-15-0-6-256-bits",
    "nvidia ampere",
    "D3D12",
    "llvmpipe (LLVM 15.0.6, 256 bits)",
    "an adapter without a name",
    "an adapter without a name",
  ]);
});

it("the driver is told where it is known", () => {
  expect([lavapipe, inChromium].map(adapterDriver)).toEqual([lavapipe.description, undefined]);
});

it("software adapters are known by their names, or by what the browser says", () => {
  const warp = { ...unknown, description: "Microsoft Basic Render Driver (WARP)" };
  const fallback = { ...inChromium, isFallbackAdapter: true };
  expect([lavapipe, warp, fallback, inChromium].map(isSoftwareAdapter)).toEqual([true, true, true, false]);
});

describe("platformGpu", () => {
  it("is the browser's where there is one", async () => {
    const gpu = {};
    vi.stubGlobal("navigator", { gpu, userAgent: "Chrome/156" });
    const importFrom = () => Promise.reject(new Error("not asked for"));
    const expected = { gpu, library: "navigator.gpu", version: "Chrome/156" };
    expect(await platformGpu("webgpu", importFrom)).toEqual(expected);
  });

  it("is a new one of Dawn's in Node, with the flags", async () => {
    vi.stubGlobal("navigator", { userAgent: "Node.js/24" });
    vi.stubGlobal("GPUBufferUsage", undefined);
    const modules: { [name: string]: unknown } = {
      webgpu: { create: (flags: readonly string[]) => ({ flags }), globals: { GPUBufferUsage: { MAP_READ: 1 } } },
      "webgpu/package.json": { default: { version: "0.6.2" } },
    };
    const found = await platformGpu("webgpu", async (name) => modules[name], ["enable-dawn-features=x"]);
    expect(found).toEqual({ gpu: { flags: ["enable-dawn-features=x"] }, library: "webgpu", version: "0.6.2" });
    expect(globalThis).toMatchObject({ GPUBufferUsage: { MAP_READ: 1 } });
  });

  it.each([
    ["is not installed; npm install webgpu", (name: string) => import(/* @vite-ignore */ `none-${name}`)],
    ["does not load (no glibc); npm install webgpu", () => Promise.reject(new Error("no glibc"))],
  ])("says that the package %s", async (words, importFrom) => {
    vi.stubGlobal("navigator", undefined);
    const opening = platformGpu("tfjs", importFrom);
    await expect(opening).rejects.toThrow(BackendUnavailableError);
    await expect(opening).rejects.toThrow(`tfjs: webgpu ${words}`);
  });
});

/** Runs as in a page, without Node's `process`. */
function inBrowser(scope: { readonly navigator?: object; readonly isSecureContext?: boolean } = {}): void {
  vi.stubGlobal("process", Object.create(process, { versions: { value: {} } }));
  vi.stubGlobal("navigator", scope.navigator ?? {});
  vi.stubGlobal("isSecureContext", scope.isSecureContext ?? true);
}

describe("in a browser", () => {
  it("without an adapter the browser's settings are the way out, and nothing is to be installed", () => {
    inBrowser();
    const { message } = noAdapter("webgpu", "npm install @residual/webgpu-software");
    vi.unstubAllGlobals();
    expect(message).toMatch(
      /^webgpu: there is no GPU adapter; turn hardware acceleration on in the browser's settings/,
    );
    expect(message).toContain("chrome://flags/#enable-unsafe-webgpu");
    expect(message).not.toMatch(/\b(npm|apt) install/);
  });

  it.each([
    [true, /this browser has no WebGPU here; use Chrome or Edge 113/],
    [false, /this page has no WebGPU, since it is not secure; serve it over https, or from localhost/],
  ])("without WebGPU nothing is imported, and the error says why (secure: %s)", async (isSecureContext, words) => {
    inBrowser({ isSecureContext });
    const importFrom = vi.fn(() => Promise.reject(new Error("not asked for")));
    const error = await platformGpu("webgpu", importFrom).catch((thrown: unknown) => thrown);
    vi.unstubAllGlobals();
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(String(error)).toMatch(words);
    expect(importFrom).not.toHaveBeenCalled();
  });
});

it("without an adapter says what else there is", () => {
  expect(noAdapter("tfjs", "take wasm").message).toBe(
    "tfjs: there is no GPU adapter; install a Vulkan driver (on Debian: apt install mesa-vulkan-drivers, 24 or newer), or take wasm",
  );
});
