import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Plugin } from "vite";

const types: { readonly [extension: string]: string } = {
  png: "image/png",
  jpg: "image/jpeg",
  wasm: "application/wasm",
  json: "application/json",
  safetensors: "application/octet-stream",
};

/** Files from elsewhere, under names of their own in the page's folder: emitted by the build, served in development. */
export function staticFiles(files: { readonly [name: string]: URL }): Plugin {
  return {
    name: "static-files",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const name = request.url?.replace(/^\/|\?.*$/g, "") ?? "";
        const file = files[name];
        if (!file) return next();
        response.setHeader("Content-Type", types[name.replace(/^.*\./, "")] ?? "");
        createReadStream(file).pipe(response);
      });
    },
    async generateBundle() {
      for (const [fileName, file] of Object.entries(files))
        this.emitFile({ type: "asset", fileName, source: await readFile(file) });
    },
  };
}
