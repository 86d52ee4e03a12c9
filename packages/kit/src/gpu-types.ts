/**
 * A type of WebGPU as the user's compiler environment declares it: TypeScript's lib.dom, or @webgpu/types. `Else` if
 * neither does. So the packages' declarations need neither, and conflict with neither.
 */
type Declared<Name extends string, Else> = typeof globalThis extends {
  readonly [K in Name]: { readonly prototype: infer T };
}
  ? T
  : Else;

/** A GPUBuffer. */
export type GpuBuffer = Declared<"GPUBuffer", BufferShape>;
/** A GPUDevice. */
export type GpuDevice = Declared<"GPUDevice", DeviceShape>;
/** A GPUComputePipeline. */
export type GpuPipeline = Declared<"GPUComputePipeline", object>;
/** The part of a GPUAdapter that Residual uses. */
export type GpuAdapter = Pick<Declared<"GPUAdapter", AdapterShape>, "features" | "info" | "limits" | "requestDevice">;
/** A GPU, whose adapters run compute shaders. */
export type Gpu = Declared<"GPU", GpuSource>;

/** A source of adapters. A GPU fits. */
export interface GpuSource {
  requestAdapter(options?: { readonly powerPreference?: "low-power" | "high-performance" }): Promise<GpuAdapter | null>;
}

interface BufferShape {
  readonly size: number;
  readonly usage: number;
  mapAsync(mode: number, offset?: number, size?: number): Promise<undefined>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): undefined;
  destroy(): undefined;
}

interface DeviceShape {
  readonly features: ReadonlySet<string>;
  readonly limits: { readonly [name: string]: number };
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly queue: {
    writeBuffer(buffer: BufferShape, offset: number, data: ArrayBuffer | ArrayBufferView): undefined;
    onSubmittedWorkDone(): Promise<undefined>;
  };
  createBuffer(descriptor: { readonly size: number; readonly usage: number; readonly label?: string }): BufferShape;
  destroy(): undefined;
}

interface AdapterShape {
  readonly features: ReadonlySet<string>;
  readonly info: AdapterInfo;
  readonly limits: { readonly [name: string]: number };
  requestDevice(descriptor?: object): Promise<DeviceShape>;
}

/** An adapter's description. A GPUAdapterInfo fits. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
}
