import { afterEach, expect, it, vi } from "vitest";
import { webAssemblyRefusal } from "./web-assembly.ts";

afterEach(() => vi.unstubAllGlobals());

it("a platform with WebAssembly refuses nothing", async () => {
  expect(await webAssemblyRefusal()).toBeUndefined();
});

it("a policy that forbids compiling is quoted, with the directive that allows it", async () => {
  vi.stubGlobal("WebAssembly", { compile: () => Promise.reject(new Error("violates script-src 'self'")) });
  expect(await webAssemblyRefusal()).toBe(
    "this page or worker does not compile WebAssembly (violates script-src 'self'); " +
      "add 'wasm-unsafe-eval' to the script-src of its Content-Security-Policy",
  );
});

it("a platform without WebAssembly is named", async () => {
  vi.stubGlobal("WebAssembly", undefined);
  expect(await webAssemblyRefusal()).toMatch(/^there is no WebAssembly here: .* lockdown mode/);
});
