import type { Preprocessing, WorkOptions } from "@residual/core";
import { type BackendName, type Classifier, load } from "@residual/pipeline";
import { overlayCam, type Prediction } from "@residual/vision";
import { Moved } from "./rpc.ts";

export interface LoadRequest {
  /** A file of weights, a known name, or nothing for the weights that ship inside. */
  readonly weights?: Blob | string;
  readonly model?: string;
  readonly backend: BackendName | "auto";
}

/** What the page says of the network that is loaded. */
export interface Loaded {
  readonly model: string;
  readonly weights: string;
  readonly classes: number;
  readonly notes: readonly string[];
  readonly backend: {
    readonly name: string;
    readonly library: string;
    readonly version: string;
    readonly device: string;
    readonly reason: string;
  };
  readonly preprocessing: Preprocessing;
  readonly loadMs: number;
}

export interface ClassifyRequest {
  readonly picture: Blob | ImageData;
  readonly top: number;
  /** Whether to make a class activation map, and of which class: by default the likeliest. */
  readonly cam?: boolean;
  readonly class?: number;
}

export interface Seen {
  readonly predictions: readonly Prediction[];
  /** Decoding, preprocessing and the run, as the worker's clock has them. */
  readonly ms: number;
  readonly cam?: { readonly width: number; readonly height: number; readonly rgba: ArrayBuffer };
}

/** The classifier of this worker. A second `load` frees the first. */
let current: Classifier | undefined;

export function classifier(): Classifier {
  if (current) return current;
  throw new Error("no network is loaded yet");
}

export const session = {
  async load({ backend, model, weights }: LoadRequest, work: WorkOptions): Promise<Loaded> {
    const start = performance.now();
    const wasmPaths = { tfjs: import.meta.env.BASE_URL, onnx: import.meta.env.BASE_URL };
    const next = await load({
      backend,
      ...(weights && { weights }),
      ...(model && { model: model as never }),
      wasmPaths,
      ...work,
    });
    await current?.dispose();
    current = next;
    return { ...factsOf(next), loadMs: performance.now() - start };
  },

  async classify(
    { picture, top, cam, class: of }: ClassifyRequest,
    { signal }: WorkOptions,
  ): Promise<Moved<Seen> | Seen> {
    const start = performance.now();
    if (!cam) {
      const predictions = await classifier().classify(picture, { top, signal });
      return { predictions, ms: performance.now() - start };
    }
    const found = await classifier().cam(picture, { top, signal, ...(of !== undefined && { class: of }) });
    const ms = performance.now() - start;
    const { width, height, data } = overlayCam(found, { opacity: 0.55 });
    const rgba = data.buffer as ArrayBuffer;
    return new Moved({ predictions: found.predictions, ms, cam: { width, height, rgba } }, [rgba]);
  },
};

function factsOf({ model, weights, notes, backend, preprocessing, graph }: Classifier): Omit<Loaded, "loadMs"> {
  const { name, library, version, device, reason } = backend;
  return {
    model,
    weights,
    notes,
    preprocessing,
    classes: Number(graph.outputs.logits.shape.at(-1)),
    backend: { name, library, version, device, reason },
  };
}
