/// <reference types="@webgpu/types" />
import type { GpuSource } from "../gpu.ts";

export interface Watched {
  readonly gpu: GpuSource;
  /** The devices opened so far, in order. */
  readonly devices: readonly GPUDevice[];
}

/** A GPU that lists the devices it opens. `rewritten`, if given, replaces the code of each shader module. */
export function watchedGpu(gpu: GpuSource, rewritten?: (code: string, label: string) => string): Watched {
  const devices: GPUDevice[] = [];
  const requestAdapter: GpuSource["requestAdapter"] = async (options) => {
    const adapter = (await gpu.requestAdapter(options))!;
    const { info, limits, features } = adapter;
    const requestDevice = async (descriptor?: GPUDeviceDescriptor) => {
      const device = await adapter.requestDevice(descriptor);
      devices.push(device);
      if (rewritten) {
        const create = device.createShaderModule.bind(device);
        device.createShaderModule = (module) => create({ ...module, code: rewritten(module.code, module.label ?? "") });
      }
      return device;
    };
    return { info, limits, features, requestDevice };
  };
  return { gpu: { requestAdapter }, devices };
}
