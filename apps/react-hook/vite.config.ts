import { defineConfig, type UserConfig } from "vite";

/** A worker with `await` at its top level is a module; each backend stays in a chunk that is loaded when it is used. */
const config: UserConfig = defineConfig({ worker: { format: "es" } });
export default config;
