import { mergeConfig } from "vitest/config";
import base from "./vitest.base.ts";

/** The workspace's own tests: of what holds for all packages. Each package has its tests beside its files. */
export default mergeConfig(base, { test: { include: ["scripts/**/*.test.ts"] } });
