/** The globals of WebGPU that are watched. Only some runtimes have them. */
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
   * The buffers and textures made since, except those that were destroyed and those on destroyed devices. Undefined
   * without WebGPU.
   */
  count(): number | undefined;
}

/**
 * Counts the buffers and textures of every WebGPU device. No browser includes them in its memory figures. Garbage
 * collection frees them too late, so every dispose must destroy them explicitly.
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

/** Replaces a method. Returns a function that restores it. */
function replace<T extends object, Name extends keyof T>(prototype: T, name: Name, by: (method: T[Name]) => T[Name]) {
  const method = prototype[name];
  prototype[name] = by(method);
  return () => {
    prototype[name] = method;
  };
}
