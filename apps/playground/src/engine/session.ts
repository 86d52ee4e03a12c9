import { FormatError, modelNames, type Preprocessing, type WorkOptions } from "@residual/core";
import { type BackendName, backendNames, type Classifier, checkFinite, load } from "@residual/pipeline";
import { decodeImage, type Picture, type Pixels, type Prediction, preprocess, topK } from "@residual/vision";
import { knownWeights } from "@residual/weights";
import { type ClassMaps, type Heat, heatOf, mapsOf } from "./class-maps.ts";
import { type NetworkChoice, optionsOf } from "./network-choice.ts";
import { Moved } from "./rpc.ts";
import { MAX_PIXELS, wasmPaths } from "./site.ts";

export interface LoadRequest extends NetworkChoice {
  readonly backend: BackendName | "auto";
  /** Forbids downloads: a name whose weights are not kept yet is refused at once. */
  readonly offline?: boolean;
}

/** What the page says of the network that is loaded. */
export interface Loaded {
  readonly model: string;
  readonly weights: string;
  readonly classes: number;
  readonly notes: readonly string[];
  readonly backend: {
    readonly name: BackendName;
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
}

/** Milliseconds of each step, by the worker's clock. */
export interface Times {
  readonly decode: number;
  readonly preprocess: number;
  readonly run: number;
}

export interface Seen {
  readonly predictions: readonly Prediction[];
  readonly times: Times;
  /** Of the picture as it was decoded: turned as its EXIF data says. */
  readonly width: number;
  readonly height: number;
}

export interface MapRequest {
  /** Names the picture, so that the maps of its other classes need no second run. */
  readonly id: number;
  readonly picture: Blob;
  readonly class: number;
  /** The longer side of the map that is drawn, in pixels. */
  readonly side: number;
}

export interface WatchRequest {
  readonly frame: ImageBitmap;
  readonly top: number;
  /** The longer side of the map that is drawn, in pixels; 0 for no map. */
  readonly side: number;
  /** The class of the map. Default: the likeliest. */
  readonly class?: number | undefined;
}

export interface Watched {
  readonly predictions: readonly Prediction[];
  readonly heat: Heat | undefined;
}

/** Weights that have a name, as the list of them shows them. */
export interface Listed {
  readonly name: string;
  readonly model: string;
  readonly bytes: number | undefined;
  readonly top1: number | undefined;
  readonly license: string | undefined;
  /** The side of the square that the model reads, in pixels. */
  readonly side: number | undefined;
}

/** The classifier of this worker. A second `load` frees the first. */
let current: Classifier | undefined;
/** The maps of the last picture, of all classes. */
let lastMaps: { readonly id: number; readonly maps: ClassMaps } | undefined;

export function classifier(): Classifier {
  if (current) return current;
  throw new Error("no network is loaded yet; choose one");
}

export const session = {
  async load({ backend, offline, ...network }: LoadRequest, work: WorkOptions): Promise<Loaded> {
    const start = performance.now();
    const next = await load({
      backend,
      ...optionsOf(network),
      ...(offline && { offline }),
      maxPixels: MAX_PIXELS,
      wasmPaths,
      ...work,
    });
    const previous = current;
    current = next;
    lastMaps = undefined;
    await previous?.dispose();
    return { ...factsOf(next), loadMs: performance.now() - start };
  },

  async classify({ picture, top }: ClassifyRequest, { signal }: WorkOptions): Promise<Seen> {
    const { executable, preprocessing, labels, model, weights } = classifier();
    const start = performance.now();
    const pixels = await decode(picture, signal);
    const decoded = performance.now();
    const image = preprocess(pixels, preprocessing);
    const prepared = performance.now();
    const { logits } = await executable.run({ image }, { signal });
    const end = performance.now();
    checkFinite(logits, { model, weights });
    const predictions = topK(logits, top, labels)[0]!;
    const times = { decode: decoded - start, preprocess: prepared - decoded, run: end - prepared };
    return { predictions, times, width: pixels.width, height: pixels.height };
  },

  /** The class activation map of one class. Throws ShapeError for a network that has none. */
  async map({ id, picture, class: of, side }: MapRequest, { signal }: WorkOptions): Promise<Moved<Heat>> {
    if (lastMaps?.id !== id) {
      const pixels = await decode(picture, signal);
      lastMaps = { id, maps: await mapsOf(classifier(), pixels, signal) };
    }
    const heat = heatOf(lastMaps.maps, of, side);
    return new Moved(heat, [heat.rgba]);
  },

  /** Classes and map of a frame of a video, in one run. */
  async watch(
    { frame, top, side, class: of }: WatchRequest,
    { signal }: WorkOptions,
  ): Promise<Watched | Moved<Watched>> {
    try {
      if (side === 0) return { predictions: await classifier().classify(frame, { top, signal }), heat: undefined };
      const maps = await mapsOf(classifier(), await decodeImage(frame, { signal }), signal);
      const predictions = topK(maps.logits, top, classifier().labels)[0]!;
      const heat = heatOf(maps, of ?? predictions[0]!.index, side);
      return new Moved({ predictions, heat }, [heat.rgba]);
    } finally {
      frame.close();
    }
  },

  /** The weights that have a name, and that Residual reads. */
  async known(): Promise<readonly Listed[]> {
    return (await knownWeights())
      .filter(({ refused }) => refused === undefined)
      .map(({ name, model, bytes, bytesAbout, top1, license, preprocessing }) => {
        return { name, model, bytes: bytes ?? bytesAbout, top1, license, side: preprocessing?.crop };
      });
  },

  async models(): Promise<readonly string[]> {
    return modelNames;
  },
};

async function decode(picture: Picture, signal: WorkOptions["signal"]): Promise<Pixels> {
  const { upright } = classifier().preprocessing;
  try {
    return await decodeImage(picture, { signal, upright, maxPixels: MAX_PIXELS });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // in a page nobody sets options
    throw new FormatError(error.message.replace(/, or raise maxPixels.*/, ""), { cause: error });
  }
}

function factsOf({ model, weights, notes, backend, preprocessing, graph }: Classifier): Omit<Loaded, "loadMs"> {
  const { library, version, device, reason } = backend;
  const name = backendNames.find((each) => each === backend.name);
  if (!name) throw new RangeError(`${backend.name} is not one of ${backendNames.join(", ")}`);
  return {
    model,
    weights,
    notes,
    preprocessing,
    classes: Number(graph.outputs.logits.shape.at(-1)),
    backend: { name, library, version, device, reason },
  };
}
