import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Every package's tests run its neighbours' source as it is, without a build. */
const conditions = ["@residual/source"];
const config: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  define: { "process.env.RESIDUAL_TESTS": JSON.stringify(process.env.RESIDUAL_TESTS ?? "") }, // for browsers, too
  test: {
    // ends what hangs; nothing takes a tenth of it on two quiet cores, but machines and neighbours differ
    testTimeout: 300_000,
    reporters: ["default", ["json", { outputFile: ".vitest/report.json" }]], // which scripts/verify.ts adds up
  },
});
export default config;
