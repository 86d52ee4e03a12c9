/** What happens at one call: the call throws or rejects with the error, or the device is lost before the call. */
export type Fault = { readonly error: Error } | "lost";

export interface FaultyGpu extends Disposable {
  /** The number of calls of WebGPU's methods since the start, on any object. */
  readonly calls: () => number;
  /** The name of the method that failed. */
  readonly met: () => string | undefined;
}

const classes = [
  "GPUAdapter",
  "GPUDevice",
  "GPUQueue",
  "GPUBuffer",
  "GPUTexture",
  "GPUShaderModule",
  "GPUCommandEncoder",
  "GPUComputePassEncoder",
  "GPUComputePipeline",
] as const;

/** Methods that return a promise. */
const asynchronous = [
  "requestDevice",
  "popErrorScope",
  "createComputePipelineAsync",
  "mapAsync",
  "getCompilationInfo",
  "onSubmittedWorkDone",
];

/**
 * Makes the call number `at` of WebGPU's methods fail, counted over all devices of this process, until it is disposed.
 * `devices` are the devices that are lost if the fault is a loss.
 */
export function faultyGpu(at: number, fault: Fault, devices: readonly GPUDevice[] = []): FaultyGpu {
  let calls = 0;
  let met: string | undefined;
  const restore = classes.flatMap((name) => {
    const { prototype } = Reflect.get(globalThis, name) as { readonly prototype: object };
    return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([key, descriptor]) => {
      const method: unknown = descriptor.value;
      if (typeof method !== "function" || key === "constructor" || key === "destroy") return [];
      const failing = function (this: unknown, ...args: unknown[]): unknown {
        if (calls++ === at) {
          met = `${name}.${key}`;
          if (fault === "lost") for (const device of devices) device.destroy();
          else if (asynchronous.includes(key)) return Promise.reject(fault.error);
          else throw fault.error;
        }
        return method.apply(this, args);
      };
      Object.defineProperty(prototype, key, { ...descriptor, value: failing });
      return [() => Object.defineProperty(prototype, key, descriptor)];
    });
  });
  return {
    calls: () => calls,
    met: () => met,
    [Symbol.dispose]() {
      for (const each of restore) each();
    },
  };
}
