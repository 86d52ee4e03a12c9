import { defineConfig, type UserConfigFnObject } from "vite";

/**
 * Static files that any server serves, from any path. The build takes the packages as they are published; `vite` (dev)
 * takes their sources.
 */
const config: UserConfigFnObject = defineConfig(({ command }) => ({
  base: "./",
  resolve: command === "serve" ? { conditions: ["@residual/source", "browser", "module", "development"] } : {},
  worker: { format: "es" as const },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  build: { target: "es2023", chunkSizeWarningLimit: 10_000 },
}));
export default config;
