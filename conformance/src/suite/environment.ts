import { version } from "@residual/core";
import type { Environment } from "../report/types.ts";

/** CPU flags that decide how numbers are multiplied, summed and rounded. */
const telling = /^(sse4_[12]|avx|avx2|fma|f16c|avx512\w*|avx_vnni|amx_\w+|neon|asimd\w*|sve\w*|fphp|bf16|i8mm)$/;

/** The platform: Node, Deno, Bun, or a browser, which measures less. */
export async function environment(): Promise<Environment> {
  const versions = { "@residual/conformance": version };
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    const { userAgent, hardwareConcurrency } = navigator;
    return { runtime: userAgent, platform: "browser", cores: hardwareConcurrency, versions };
  }
  const { cpus, totalmem } = await import("node:os");
  const processors = cpus();
  return {
    runtime: runtimeName(),
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memory: Math.round(totalmem() / 2 ** 30),
    cpuFlags: await cpuFlags(),
    versions: { ...versions, ...engineVersion() },
  };
}

/** The runtime's name. Deno and Bun also report the Node version that they emulate. */
function runtimeName(): string {
  const { deno, bun, node } = process.versions;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun === undefined ? `Node ${node}` : `Bun ${bun}`;
}

/**
 * The version of the engine. Bun's engine is WebKit's; the V8 version that Bun reports belongs to the Node that Bun
 * emulates.
 */
function engineVersion(): { readonly [engine: string]: string } {
  const { bun, webkit, v8 } = process.versions;
  return bun === undefined || webkit === undefined ? { v8 } : { webkit };
}

/** The CPU flags from Linux; none on other platforms. */
async function cpuFlags(): Promise<readonly string[]> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
  return flags.split(/\s+/).filter((flag) => telling.test(flag));
}
