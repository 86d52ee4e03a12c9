import { mergeConfig } from "vitest/config";
import base from "../../vitest.base.ts";

export default mergeConfig(base, {
  test: {
    include: ["tests/*.test.ts"],
    fileParallelism: false,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
