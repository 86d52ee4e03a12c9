/** The part of WebGPU that is watched, which only some runtimes have. */
interface WebGpu {
  readonly GPUDevice?: { readonly prototype: Device };
  readonly GPUBuffer?: { readonly prototype: Piece };
  readonly GPUTexture?: { readonly prototype: Piece };
}

interface Device {
  createBuffer(descriptor: object): Piece;
  createTexture(descriptor: object): Piece;
  destroy(): undefined;
}

/** A buffer or a texture. */
interface Piece {
  destroy(): undefined;
}

export interface GpuMemory extends Disposable {
  /**
   * Buffers and textures made since, that are not destroyed, on devices that are not; undefined where there is no
   * WebGPU.
   */
  count(): number | undefined;
}

/**
 * Counts the buffers and textures of every WebGPU device. What lies on a device is part of no figure that a browser
 * gives of its memory, and garbage collection comes too late for it, so dispose has to destroy it by name.
 */
export function watchGpuMemory(): GpuMemory {
  const { GPUDevice, GPUBuffer, GPUTexture } = globalThis as WebGpu;
  if (!GPUDevice || !GPUBuffer || !GPUTexture) return { count: () => undefined, [Symbol.dispose]: () => {} };
  const kept = new Map<Device, number>();
  const deviceOf = new WeakMap<Piece, Device>();
  const add = (device: Device, count: number) => kept.set(device, (kept.get(device) ?? 0) + count);
  const counted = (create: Device["createBuffer"]) =>
    function (this: Device, descriptor: object): Piece {
      const piece = create.call(this, descriptor);
      deviceOf.set(piece, this);
      add(this, 1);
      return piece;
    };
  const discounted = (destroy: Piece["destroy"]) =>
    function (this: Piece): undefined {
      const device = deviceOf.get(this);
      if (device && kept.has(device)) add(device, -1);
      deviceOf.delete(this);
      return destroy.call(this);
    };
  const forgotten = (destroy: Device["destroy"]) =>
    function (this: Device): undefined {
      kept.delete(this);
      return destroy.call(this);
    };
  const unwatch = [
    replace(GPUDevice.prototype, "createBuffer", counted),
    replace(GPUDevice.prototype, "createTexture", counted),
    replace(GPUDevice.prototype, "destroy", forgotten),
    replace(GPUBuffer.prototype, "destroy", discounted),
    replace(GPUTexture.prototype, "destroy", discounted),
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
