import type { WebgpuOptions } from "@residual/webgpu";

type GpuSource = NonNullable<WebgpuOptions["gpu"]>;

export interface Watched {
  readonly gpu: GpuSource;
  /** Those that were given out, in their order. */
  readonly devices: readonly GPUDevice[];
}

/** A GPU that keeps the devices it gives out, and may have them see other programs than they are given. */
export function watchedGpu(gpu: GpuSource, rewritten?: (code: string, label: string) => string): Watched {
  const devices: GPUDevice[] = [];
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const { info, limits, features, ...adapter } = await adapterOf(gpu, options);
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

async function adapterOf(gpu: GpuSource, options?: GPURequestAdapterOptions) {
  const adapter = (await gpu.requestAdapter(options))!;
  const requestDevice = (descriptor?: GPUDeviceDescriptor) => adapter.requestDevice(descriptor);
  return { info: adapter.info, limits: adapter.limits, features: adapter.features, requestDevice };
}
