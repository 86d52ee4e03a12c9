import type { GpuDevice, GpuSource } from "@residual/kit/gpu";

/** A GPU whose driver computes right at first, and wrong once spoiled. */
export interface AgeingGpu {
  readonly gpu: GpuSource;
  /** From now on, kernels for whose name `isWrong` is true store numbers that are 25 % too large. */
  spoil(isWrong: (kernel: string) => boolean): void;
}

/** Each program is compiled twice, right and wrong; a compute pass runs one of the two. */
export function ageingGpu(gpu: GpuSource): AgeingGpu {
  let isWrong: (kernel: string) => boolean = () => false;
  const requestAdapter: GpuSource["requestAdapter"] = async (options) => {
    const adapter = await gpu.requestAdapter(options);
    if (!adapter) return null;
    const { info, limits, features } = adapter;
    const requestDevice = async (descriptor?: GPUDeviceDescriptor) => {
      const device = await adapter.requestDevice(descriptor);
      compileTwice(device, (kernel) => isWrong(kernel));
      return device;
    };
    return { info, limits, features, requestDevice };
  };
  return {
    gpu: { requestAdapter },
    spoil: (wrong) => {
      isWrong = wrong;
    },
  };
}

function compileTwice(device: GpuDevice, isWrong: (kernel: string) => boolean): void {
  const spoiltModules = new Map<GPUShaderModule, GPUShaderModule>();
  const spoiltPipelines = new Map<GPUComputePipeline, GPUComputePipeline>();
  const createModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    const module = createModule(descriptor);
    const code = descriptor.code.replace(
      "fn put(i: u32, four: vec4f) {",
      "fn put(i: u32, right: vec4f) { let four = 1.25 * right;",
    );
    spoiltModules.set(module, createModule({ ...descriptor, code }));
    return module;
  };
  const createPipeline = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = async (descriptor) => {
    const { compute } = descriptor;
    const spoilt = { ...descriptor, compute: { ...compute, module: spoiltModules.get(compute.module)! } };
    const [pipeline, other] = await Promise.all([createPipeline(descriptor), createPipeline(spoilt)]);
    spoiltPipelines.set(pipeline, other);
    return pipeline;
  };
  const createEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = createEncoder(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (ofPass) => {
      const pass = begin(ofPass);
      const set = pass.setPipeline.bind(pass);
      pass.setPipeline = (pipeline) => set(isWrong(pipeline.label) ? spoiltPipelines.get(pipeline)! : pipeline);
      return pass;
    };
    return encoder;
  };
}
