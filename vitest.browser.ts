import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import chromium, { inflate } from "@sparticuz/chromium";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type ViteUserConfig } from "vitest/config";

/** What runs in a browser has such a name. */
const inBrowser = "src/**/*.browser.test.ts";

/** Chromium's build for servers, with the libraries that a bare machine lacks. Its WebGPU is SwiftShader. */
async function launchOptions() {
  const library = fileURLToPath(import.meta.resolve("@sparticuz/chromium"));
  const libraries = await inflate(join(library, "../../bin/al2023.tar.br"));
  const args = [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--js-flags=--expose-gc", // and this: memory without garbage (conformance/src/behaviour/resources.ts)
    "--enable-precise-memory-info",
  ];
  const executablePath = await chromium.executablePath();
  return { executablePath, args, env: { ...env, LD_LIBRARY_PATH: join(libraries, "lib") } };
}

const isSupported = process.platform === "linux" && process.arch === "x64";
if (!isSupported) console.warn(`skipped: ${inBrowser}; the browser for tests is for Linux x64`);

/** Where the repository lies; beside it, not in it, other people's pictures. */
const repository = fileURLToPath(new URL(".", import.meta.url));

/** A package's tests in Node, and those that are named so in Chromium. */
const config: ViteUserConfig = defineConfig({
  // Found late, each would have the page loaded again. sharp decodes pictures in Node; onnxruntime-web needs no
  // bundling.
  optimizeDeps: { exclude: ["sharp", "onnxruntime-web"] },
  server: { fs: { allow: [repository, join(repository, "../shared")] } },
  test: {
    provide: { repository },
    projects: [
      { extends: true, test: { name: "node", include: ["{src,example}/**/*.test.ts"], exclude: [inBrowser] } },
      ...(isSupported
        ? [
            {
              extends: true as const,
              resolve: { conditions: ["browser"] }, // beside those of vitest.base.ts
              test: {
                name: "chromium",
                include: [inBrowser],
                browser: {
                  enabled: true,
                  headless: true,
                  screenshotFailures: false,
                  provider: playwright({ launchOptions: await launchOptions() }),
                  instances: [{ browser: "chromium" as const }],
                },
              },
            },
          ]
        : []),
    ],
  },
});
export default config;
