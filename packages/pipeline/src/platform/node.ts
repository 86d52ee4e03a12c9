import type { Platform } from "./platform.ts";

/** Node, and compatible platforms: Deno and Bun. Each part is imported on first use. */
export const node: Platform = {
  name: "node",
  async cache() {
    const { fileCache } = await import("./file-cache.ts");
    return fileCache();
  },
  async processors() {
    const { cpus } = await import("node:os");
    const all = cpus();
    return `${process.platform}-${process.arch}, ${all.length} × ${all[0]?.model ?? "unknown"}`;
  },
  async mayHaveGpu() {
    if (process.platform !== "linux") return true;
    const { existsSync } = await import("node:fs");
    try {
      const devices = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"]; // dxg: Windows' GPU in WSL
      return devices.some((device) => existsSync(device));
    } catch {
      return true; // Deno lets only `--allow-all` look into /dev; its own WebGPU needs no permission
    }
  },
  async isWorkerThread() {
    const { isMainThread } = await import("node:worker_threads");
    return !isMainThread;
  },
  async backendInModule(path, options) {
    const { backendFromFile } = await import("./backend-file.ts");
    return backendFromFile(path, options);
  },
  async inChildProcess(backend, options) {
    const { ChildCompiler } = await import("../child-process/backend.ts");
    return new ChildCompiler(backend, { ...options, onWarning: options.onWarning ?? node.warn });
  },
  warn: (message) => process.emitWarning(message, "ResidualWarning"),
};
