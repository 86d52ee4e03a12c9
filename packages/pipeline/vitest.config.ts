import { mergeConfig } from "vitest/config";
import base from "../../vitest.base.ts";
import browser from "../../vitest.browser.ts";

/** Found late, by an adapter's import(), each would have the page loaded again. */
const include = [
  "fastest-levenshtein",
  ...["core", "backend-cpu", "backend-wasm", "backend-webgl", "backend-webgpu"].map(
    (name) => `@residual/tfjs > @tensorflow/tfjs-${name}`,
  ),
];

export default mergeConfig(mergeConfig(base, browser), { optimizeDeps: { include } });
