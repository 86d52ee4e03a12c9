import { mergeConfig } from "vitest/config";
import base from "../../vitest.base.ts";
import browser from "../../vitest.browser.ts";

export default mergeConfig(base, browser);
