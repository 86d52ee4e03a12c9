/** What backends hold in this worker, as far as a worker can see it, in bytes. */
export interface Held {
  /** The memories of WebAssembly. */
  readonly wasm: number;
  /** The buffers that WebGPU was asked for and that are not destroyed. */
  readonly gpu: number;
}

/**
 * Counts from this call on, so it comes before any backend is loaded. Nothing in a worker tells these sizes, so the
 * functions that make memories and buffers are watched. The worker serves one measurement, and ends after it.
 */
export function watchMemory(): () => Held {
  const [wasm, gpu] = [watchWasm(), watchGpu()];
  return () => ({ wasm: wasm(), gpu: gpu() });
}

/** A memory is made by the constructor, or is an export of an instance. */
function watchWasm(): () => number {
  const seen = new Set<WeakRef<WebAssembly.Memory>>();
  const { Memory, Instance, instantiate, instantiateStreaming } = WebAssembly;
  const add = (memory: WebAssembly.Memory) => {
    if (![...seen].some((each) => each.deref() === memory)) seen.add(new WeakRef(memory));
    return memory;
  };
  const addExports = ({ exports }: WebAssembly.Instance) => {
    for (const each of Object.values(exports)) if (each instanceof Memory) add(each);
  };
  WebAssembly.Memory = new Proxy(Memory, {
    construct: (of, [descriptor]: [WebAssembly.MemoryDescriptor]) => add(new of(descriptor)),
  });
  WebAssembly.Instance = new Proxy(Instance, {
    construct(of, [module, imports]: [WebAssembly.Module, WebAssembly.Imports?]) {
      const instance = new of(module, imports);
      addExports(instance);
      return instance;
    },
  });
  const noting = <Made extends WebAssembly.Instance | WebAssembly.WebAssemblyInstantiatedSource>(made: Made): Made => {
    addExports(made instanceof Instance ? made : made.instance);
    return made;
  };
  WebAssembly.instantiate = new Proxy(instantiate, {
    apply: async (of, _, [source, imports]: [WebAssembly.Module, WebAssembly.Imports?]) =>
      noting(await of(source, imports)),
  });
  WebAssembly.instantiateStreaming = new Proxy(instantiateStreaming, {
    apply: async (of, _, [source, imports]: [Response, WebAssembly.Imports?]) => noting(await of(source, imports)),
  });
  return () => [...seen].reduce((sum, each) => sum + (each.deref()?.buffer.byteLength ?? 0), 0);
}

function watchGpu(): () => number {
  if (!("GPUDevice" in globalThis)) return () => 0;
  const held = new Map<GPUBuffer, number>();
  replace(
    GPUDevice.prototype,
    "createBuffer",
    (create) =>
      function (this: GPUDevice, descriptor) {
        const buffer = create.call(this, descriptor);
        held.set(buffer, buffer.size);
        return buffer;
      },
  );
  replace(
    GPUBuffer.prototype,
    "destroy",
    (destroy) =>
      function (this: GPUBuffer) {
        held.delete(this);
        return destroy.call(this);
      },
  );
  return () => [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function replace<T extends object, Name extends keyof T>(prototype: T, name: Name, by: (method: T[Name]) => T[Name]) {
  prototype[name] = by(prototype[name]);
}
