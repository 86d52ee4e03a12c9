import type { WorkOptions } from "@residual/core";
import { type BackendName, backendNamed, knownPreprocessing, type Prepared, prepare } from "@residual/pipeline";
import { resample } from "@residual/vision";
import { type NetworkChoice, optionsOf } from "../engine/network-choice.ts";
import { Moved } from "../engine/rpc.ts";
import { wasmPaths } from "../engine/site.ts";
import { type AscentOptions, answerTo, ascentGraph, climb } from "../inside/ascent.ts";
import { bytesOf, greyNoise, type Planes } from "../inside/ascent-picture.ts";

export interface LayerRequest {
  readonly network: NetworkChoice;
  readonly backend: BackendName;
  readonly layer: string;
}

export interface ClimbRequest {
  readonly channel: number;
  /** The picture so far; else grey noise of this salt. */
  readonly from: Planes | string;
  /** The steps that are done, and those to do now. */
  readonly done: number;
  readonly steps: number;
}

export interface Climbed {
  readonly planes: Planes;
  readonly side: number;
  /** Enlarged, for a canvas: pixels with hard edges would hide the shapes. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  /** The side of `rgba`, in pixels. */
  readonly shown: number;
  /** The largest number of the channel's map. */
  readonly peak: number;
}

/** The network of this worker. The page starts another worker for another network. */
let network: Promise<Prepared> | undefined;
let current: (Omit<AscentOptions, "channel" | "signal"> & { readonly key: string }) | undefined;

export const ascent = {
  /** Compiles the gradient of a layer by the picture, for all of its channels. */
  async openLayer({ network: choice, backend: name, layer }: LayerRequest, work: WorkOptions): Promise<void> {
    const key = `${name} ${layer}`;
    if (current?.key === key) return;
    network ??= prepare({ ...optionsOf(choice), ...work });
    const prepared = await network.catch((error: unknown) => {
      network = undefined; // the next call tries again
      throw error;
    });
    const graph = ascentGraph(prepared.graph, layer);
    const backend = await backendNamed(name, { wasmPaths });
    const previous = current;
    current = undefined;
    await previous?.executable.dispose();
    const executable = await backend.compile(graph, work);
    current = { key, graph, executable, preprocessing: knownPreprocessing(prepared) };
  },

  /** Some steps of the ascent, and what the channel says of the picture then. */
  async climb({ channel, from, done, steps }: ClimbRequest, { signal }: WorkOptions): Promise<Moved<Climbed>> {
    const options: AscentOptions = { ...current!, channel, signal };
    const side = options.preprocessing.crop;
    let planes = typeof from === "string" ? greyNoise(side, from) : from;
    for (let step = done; step < done + steps; step++) planes = await climb(planes, step, options);
    const { peak } = await answerTo(planes, options);
    const shown = Math.max(SHOWN, side);
    const rgba = enlarged(planes, side, shown);
    return new Moved({ planes, side, rgba, shown, peak }, [planes.buffer, rgba.buffer]);
  },
};

/** The least side of the picture that is shown, in pixels. */
const SHOWN = 320;

function enlarged(planes: Planes, side: number, shown: number): Uint8ClampedArray<ArrayBuffer> {
  const small = { width: side, height: side, data: bytesOf(planes) };
  const { data } = resample(small, { width: shown, height: shown }, "bicubic");
  const rgba = new Uint8ClampedArray(4 * shown * shown).fill(255);
  for (let i = 0; i < shown * shown; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return rgba;
}
