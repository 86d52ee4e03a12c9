import { mergeConfig } from "vitest/config";
import base from "./vitest.base.ts";

/** Chromium, Deno and Bun are packages for Linux x64. */
const inRuntimes = ["scripts/starters/**", "scripts/server-page.test.ts"];
const isSupported = process.platform === "linux" && process.arch === "x64";
if (!isSupported) console.warn(`skipped: ${inRuntimes.join(", ")}; their browser and runtimes are for Linux x64`);

/** The workspace's own tests: of what holds for all packages. Each package has its tests beside its files. */
export default mergeConfig(base, {
  // servers and a browser are started in hooks; like testTimeout, it ends only what hangs
  test: { hookTimeout: 300_000, include: ["scripts/**/*.test.ts"], exclude: isSupported ? [] : inRuntimes },
});
