/// <reference types="@webgpu/types" />
import { noAdapter, platformGpu } from "@residual/kit/gpu";

/** Makes Node look like a browser to libraries that use `navigator.gpu`: Dawn, on the same adapter as ours. */
export async function browserGpu(): Promise<GPU> {
  const { gpu } = await platformGpu<GPU>("webgpu", (name) =>
    name.endsWith(".json") ? import(name, { with: { type: "json" } }) : import(name),
  );
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  if (!(await gpu.requestAdapter())) throw noAdapter("webgpu");
  return gpu;
}
