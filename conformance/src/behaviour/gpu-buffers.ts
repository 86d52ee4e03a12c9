/** The part of WebGPU that is watched, which only some runtimes have. */
interface WebGpu {
  readonly GPUDevice?: { readonly prototype: Device };
  readonly GPUBuffer?: { readonly prototype: Buffer };
}

interface Device {
  createBuffer(descriptor: object): Buffer;
  destroy(): undefined;
}

interface Buffer {
  destroy(): undefined;
}

export interface GpuBuffers extends Disposable {
  /** Buffers made since, that are not destroyed, on devices that are not destroyed; undefined where there is no WebGPU. */
  count(): number | undefined;
}

/**
 * Counts the buffers of every WebGPU device. What lies on a device is part of no figure that a browser gives of its memory, and garbage
 * collection comes too late for it, so dispose has to destroy it by name.
 */
export function watchGpuBuffers(): GpuBuffers {
  const { GPUDevice, GPUBuffer } = globalThis as WebGpu;
  if (!GPUDevice || !GPUBuffer) return { count: () => undefined, [Symbol.dispose]: () => {} };
  const kept = new Map<Device, number>();
  const deviceOf = new WeakMap<Buffer, Device>();
  const add = (device: Device, count: number) => kept.set(device, (kept.get(device) ?? 0) + count);
  const unwatch = [
    replace(GPUDevice.prototype, "createBuffer", (create) => {
      return function (this: Device, descriptor: object) {
        const buffer = create.call(this, descriptor);
        deviceOf.set(buffer, this);
        add(this, 1);
        return buffer;
      };
    }),
    replace(GPUDevice.prototype, "destroy", (destroy) => {
      return function (this: Device) {
        kept.delete(this);
        return destroy.call(this);
      };
    }),
    replace(GPUBuffer.prototype, "destroy", (destroy) => {
      return function (this: Buffer) {
        const device = deviceOf.get(this);
        if (device && kept.has(device)) add(device, -1);
        deviceOf.delete(this);
        return destroy.call(this);
      };
    }),
  ];
  return {
    count: () => [...kept.values()].reduce((sum, count) => sum + count, 0),
    [Symbol.dispose]() {
      for (const each of unwatch) each();
    },
  };
}

/** Puts a method in the place of another; what is answered puts the other back. */
function replace<T extends object, Name extends keyof T>(prototype: T, name: Name, by: (method: T[Name]) => T[Name]) {
  const method = prototype[name];
  prototype[name] = by(method);
  return () => {
    prototype[name] = method;
  };
}
