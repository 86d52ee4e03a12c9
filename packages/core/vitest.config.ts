import { defineConfig } from "vitest/config";

const conditions = ["@residual/source"];
export default defineConfig({ resolve: { conditions }, ssr: { resolve: { conditions } }, test: { testTimeout: 60_000 } });
