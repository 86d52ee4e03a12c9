import { mergeConfig } from "vitest/config";
import base from "../../vitest.base.ts";

/** These tests mostly wait for processes that they start, so that two files at a time do on two cores. */
export default mergeConfig(base, { test: { maxWorkers: 2 } });
