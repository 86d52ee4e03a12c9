/// <reference types="@webgpu/types" />
import type { GpuSource } from "../gpu.ts";

/** A GPU whose adapters lack a feature. */
export function gpuWithout(gpu: GpuSource, feature: GPUFeatureName): GpuSource {
  return {
    async requestAdapter(options) {
      const adapter = (await gpu.requestAdapter(options))!;
      const { info, limits } = adapter;
      const features = new Set([...adapter.features].filter((each) => each !== feature));
      return { info, limits, features, requestDevice: (descriptor) => adapter.requestDevice(descriptor) };
    },
  };
}
