import { globSync } from "node:fs";
import { BackendUnavailableError } from "@residual/core";
import { type WebgpuBackend, webgpu } from "@residual/webgpu";

/** Where Vulkan's loader finds drivers; lavapipe is Mesa's on the CPU. */
const DRIVERS = "/{usr/share,usr/local/share,etc}/vulkan/icd.d/lvp_icd*.json";

/** Lavapipe, or why there is none. */
type Lavapipe =
  | { readonly backend: WebgpuBackend; readonly missing?: never }
  | { readonly backend?: never; readonly missing: string };

/** A backend on lavapipe, which from now on is this process's one driver; with a warning where there is none. */
export async function lavapipe(what: string): Promise<Lavapipe> {
  const [driver] = globSync(DRIVERS);
  const backend = webgpu();
  if (driver !== undefined) process.env.VK_ICD_FILENAMES = driver;
  const found = driver === undefined ? "there is none" : await deviceOf(backend);
  if (found.startsWith("llvmpipe")) return { backend };
  const missing = `${found} (Debian: mesa-vulkan-drivers 24 or newer, as .ci/run installs)`;
  console.warn(`SKIPPED: ${what} on lavapipe; ${missing}`);
  return { missing };
}

async function deviceOf(backend: WebgpuBackend): Promise<string> {
  try {
    return (await backend.describe()).device;
  } catch (error) {
    if (error instanceof BackendUnavailableError) return error.message; // Dawn takes no Mesa older than 24
    throw error;
  }
}
