import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { launchOptions } from "./chromium.ts";

/** What runs in a browser has such a name. */
const inBrowser = "src/**/*.browser.test.ts";

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
