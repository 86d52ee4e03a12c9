import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import chromium, { inflate } from "@sparticuz/chromium";
import type { LaunchOptions } from "playwright";

/** Chromium's build for servers, with the libraries that a bare machine lacks. Its WebGPU is SwiftShader. */
export async function launchOptions(): Promise<LaunchOptions> {
  const library = fileURLToPath(import.meta.resolve("@sparticuz/chromium"));
  const libraries = await inflate(join(library, "../../bin/al2023.tar.br"));
  const args = [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--js-flags=--expose-gc", // and this: memory without garbage (packages/kit/src/resources.ts)
    "--enable-precise-memory-info",
  ];
  const executablePath = await chromium.executablePath();
  return { executablePath, args, env: { ...env, LD_LIBRARY_PATH: join(libraries, "lib") } };
}
