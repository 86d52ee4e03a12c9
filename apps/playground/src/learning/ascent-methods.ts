import type { WorkOptions } from "@residual/core";
import { type BackendName, backendNamed, knownPreprocessing, type Prepared, prepare } from "@residual/pipeline";
import { type NetworkChoice, optionsOf } from "../engine/network-choice.ts";
import { Moved } from "../engine/rpc.ts";
import { wasmPaths } from "../engine/site.ts";
import { type AscentOptions, answerTo, ascentGraph, climb } from "../inside/ascent.ts";
import { greyNoise, type Planes, rgbaOf } from "../inside/ascent-picture.ts";

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
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
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
    const rgba = rgbaOf(planes);
    return new Moved({ planes, side, rgba, peak }, [planes.buffer, rgba.buffer]);
  },
};
