import { version } from "@residual/core";
import type { Environment } from "../report/types.ts";

/** CPU flags that decide how numbers are multiplied, summed and rounded. */
const telling = /^(sse4_[12]|avx|avx2|fma|f16c|avx512\w*|avx_vnni|amx_\w+|neon|asimd\w*|sve\w*|fphp|bf16|i8mm)$/;

/** The platform: Node, or a browser, which measures less. */
export async function environment(): Promise<Environment> {
  const versions = { "@residual/conformance": version };
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    const { userAgent, hardwareConcurrency } = navigator;
    return { runtime: userAgent, platform: "browser", cores: hardwareConcurrency, versions };
  }
  const { cpus, totalmem } = await import("node:os");
  const processors = cpus();
  return {
    runtime: `Node ${process.versions.node}`,
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memory: Math.round(totalmem() / 2 ** 30),
    cpuFlags: await cpuFlags(),
    versions: { ...versions, v8: process.versions.v8 },
  };
}

/** As Linux lists them; none elsewhere. */
async function cpuFlags(): Promise<readonly string[]> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const [, flags = ""] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
  return flags.split(/\s+/).filter((flag) => telling.test(flag));
}
