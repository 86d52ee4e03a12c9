import { readdirSync } from "node:fs";
import { defineConfig, type UserConfigFnObject } from "vite";
import { offline } from "./scripts/offline-plugin.ts";
import { staticFiles } from "./scripts/static-files-plugin.ts";

const photo = (name: string) => new URL(`../../photos/${name}`, import.meta.url);

/** PyTorch's answers for the conformance suite, by their names in the package. */
const golden = new URL(import.meta.resolve("@residual/conformance/golden/README.md"));
const goldens = ["infer", "ops"].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, golden)).map((name) => `${folder}/${name}`),
);

const files = {
  ...Object.fromEntries(goldens.map((name) => [`golden/${name}`, new URL(name, golden)])),
  "photos/chelsea.png": photo("chelsea.png"),
  "photos/coffee.png": photo("coffee.png"),
  "photos/rocket.jpg": photo("rocket.jpg"),
};

const kept = offline(["mark.svg", "theme.js", "manifest.webmanifest", "icon-192.png", "icon-512.png"]);

/**
 * Static files that any server serves, from any path. The build takes the packages as they are published; `vite` (dev)
 * takes their sources.
 */
const config: UserConfigFnObject = defineConfig(({ command }) => ({
  base: "./",
  resolve: command === "serve" ? { conditions: ["@residual/source", "browser", "module", "development"] } : {},
  plugins: [staticFiles(files), kept.page()],
  worker: { format: "es" as const, plugins: () => [kept.worker()] },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  build: { target: "es2023", modulePreload: { polyfill: false }, chunkSizeWarningLimit: 10_000 },
}));
export default config;
