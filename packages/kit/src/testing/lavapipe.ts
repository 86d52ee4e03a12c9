import { globSync } from "node:fs";
import { BackendUnavailableError } from "@residual/core";
import { adapterName, type GpuSource, platformGpu } from "../gpu.ts";

/**
 * The path of lavapipe's driver file, where Vulkan's loader looks for it. Lavapipe is Mesa's Vulkan driver for the CPU.
 */
export function lavapipeDriver(): string | undefined {
  return globSync("/{usr/share,usr/local/share,etc}/vulkan/icd.d/lvp_icd*.json")[0];
}

/**
 * Makes lavapipe the only Vulkan driver of this process, for the tests that `what` names. If there is no lavapipe, or
 * Dawn refuses it, warns and returns the reason.
 */
export async function useLavapipe(what: string): Promise<string | undefined> {
  const driver = lavapipeDriver();
  if (driver !== undefined) process.env.VK_ICD_FILENAMES = driver;
  const found = driver === undefined ? "there is none" : await adapterFound();
  if (found.startsWith("llvmpipe")) return undefined;
  const missing = `${found} (Debian: mesa-vulkan-drivers 24 or newer, as .ci/run installs)`;
  console.warn(`SKIPPED: ${what} on lavapipe; ${missing}`);
  return missing;
}

/** Dawn's GPU. */
export async function dawnGpu(): Promise<GpuSource> {
  return (await platformGpu<GpuSource>("Dawn", importHere)).gpu;
}

/** The name of Dawn's adapter, or the reason why there is none. Dawn refuses Mesa older than 24. */
async function adapterFound(): Promise<string> {
  try {
    const adapter = await (await dawnGpu()).requestAdapter();
    return adapter ? adapterName(adapter.info) : "Dawn gives no adapter";
  } catch (error) {
    if (error instanceof BackendUnavailableError) return error.message;
    throw error;
  }
}

function importHere(name: string): Promise<unknown> {
  return name.endsWith(".json") ? import(name, { with: { type: "json" } }) : import(name);
}
