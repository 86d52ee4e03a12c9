import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { reference, UnsupportedError } from "@residual/core";
import { describe, expect, it } from "vitest";
import { backendNames, chooseBackend, installCommand } from "../index.ts";
import { OptionError } from "../option-error.ts";

describe("a backend is chosen", () => {
  it("by its name", async () => {
    const { backend, description } = await chooseBackend("reference");
    expect([backend, description.library]).toEqual([reference, "@residual/core"]);
  });

  it("or refused, with the nearest name, as an UnsupportedError", async () => {
    const choosing = chooseBackend("tfjs-wams");
    await expect(choosing).rejects.toThrow(OptionError);
    await expect(choosing).rejects.toThrow("there is no backend tfjs-wams; did you mean tfjs-wasm?");
    await expect(choosing).rejects.toBeInstanceOf(UnsupportedError);
  });
});

it.each(backendNames)("%s says how to install what it needs", async (name) => {
  expect(await installCommand(name)).toMatch(["reference", "wasm"].includes(name) ? /^$/ : /^npm install \S/);
});

describe("without adapters", () => {
  /** As `@residual/pipeline` alone is installed: no adapter's package is found. */
  const script = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(name, context, next) {
        if (/^@residual\\/(onnx|tfjs|webgpu)$/.test(name)) throw Object.assign(new Error("no package " + name), { code: "ERR_MODULE_NOT_FOUND" });
        return next(name, context);
      },
    });
    const { chooseBackend } = await import("@residual/pipeline");
    const { backend } = await chooseBackend("auto");
    const { code, message } = await chooseBackend("onnx").catch((error) => error);
    console.log(JSON.stringify({ auto: backend.name, code, message }));
  `;

  it("auto is wasm, and another one names what to install", async () => {
    const flags = ["--conditions=@residual/source", "--input-type=module", "--eval", script];
    const cwd = fileURLToPath(new URL("..", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd });
    expect(JSON.parse(stdout)).toEqual({
      auto: "wasm",
      code: "BackendUnavailableError",
      message:
        "@residual/onnx could not be loaded (no package @residual/onnx); if it is missing, run `npm install @residual/onnx`",
    });
  });
});
