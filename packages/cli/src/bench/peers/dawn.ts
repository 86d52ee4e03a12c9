/// <reference types="@webgpu/types" />
import { BackendUnavailableError } from "@residual/core";
import { imported } from "./runner.ts";

/** What the package `webgpu` exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: object;
}

/** Makes Node look like a browser to libraries that ask for `navigator.gpu`: Dawn answers, on the adapter that ours takes. */
export async function browserGpu(install: string): Promise<GPU> {
  const { create, globals } = await imported<Dawn>("webgpu", "webgpu", install);
  Object.assign(globalThis, globals);
  const gpu = create([]);
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  if (!(await gpu.requestAdapter()))
    throw new BackendUnavailableError(
      "webgpu: there is no GPU adapter; install a Vulkan driver (on Debian: apt install mesa-vulkan-drivers, 24 or newer)",
    );
  return gpu;
}
