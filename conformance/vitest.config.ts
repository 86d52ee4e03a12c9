import { mergeConfig } from "vitest/config";
import base from "../vitest.base.ts";
import browser from "../vitest.browser.ts";

/** Vitest would leave a core for itself, and has nothing to do with it. */
export default mergeConfig(mergeConfig(base, browser), { test: { maxWorkers: 2 } });
