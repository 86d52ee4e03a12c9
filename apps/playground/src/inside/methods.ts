import { drawGraph, type WorkOptions } from "@residual/core";
import { Moved } from "../engine/rpc.ts";
import { classifier } from "../engine/session.ts";
import { Activations } from "./activations.ts";
import { type Explained, explainNumber } from "./explain-number.ts";
import type { Place } from "./explanation.ts";
import { factsOf, type ValueFacts } from "./facts.ts";
import { paintStrip, planesOf, type StripLook } from "./paint-strip.ts";
import { type Photo, seenPart } from "./photo.ts";
import { type ReceptiveField, receptiveField } from "./receptive-field.ts";
import { dataInputsOf } from "./sections.ts";
import { peaksOf, type Statistics, spotsOf, statisticsOf, strongestFirst } from "./statistics.ts";

/** The room's part of the worker, fetched when the room is first entered. */

/** A picture to look at. Its id tells it from another, so that what is computed for it is kept. */
export interface Look {
  readonly id: number;
  readonly picture: Blob;
}

export interface Opened {
  readonly photo: Photo;
  /** Height and width of the network's input, in pixels. */
  readonly input: readonly [number, number];
  readonly values: readonly ValueFacts[];
  readonly labels: readonly string[] | undefined;
}

export interface DrawRequest {
  readonly depth: 1 | 2 | 3;
  /** The largest width of the drawing, in pixels. */
  readonly width: number;
}

export interface Maps {
  readonly name: string;
  /** [channels, height, width] */
  readonly shape: readonly [number, number, number];
  readonly statistics: Statistics;
  /** The largest number of each channel. */
  readonly peaks: Float32Array<ArrayBuffer>;
  /** Channels by their peaks, the strongest first. */
  readonly strongest: Uint32Array<ArrayBuffer>;
}

export interface PaintRequest extends Look, StripLook {
  readonly name: string;
  /** Whether to paint the node's own maps, or those of its first input. */
  readonly of: "output" | "input";
  readonly channels: readonly number[];
}

/** A place of the picture that a channel answers to. */
export interface Spot {
  readonly row: number;
  readonly column: number;
  readonly value: number;
  readonly field: ReceptiveField;
}

export interface Channel {
  readonly statistics: Statistics;
  /** [height, width] */
  readonly numbers: Float32Array<ArrayBuffer>;
  /** The strongest places that lie apart, the strongest first. */
  readonly spots: readonly Spot[];
}

export interface ExplainRequest extends Place, Look {
  readonly name: string;
  /** The number of terms of a sum that are given in full. */
  readonly limit: number;
}

/** A layer, or one of its channels, for a picture. */
interface LayerRequest extends Look {
  readonly name: string;
}
interface ChannelRequest extends LayerRequest {
  readonly channel: number;
}

let latest: { readonly id: number; readonly activations: Activations } | undefined;

/** Another picture, or another network, begins anew. */
function activationsOf({ id, picture }: Look): Activations {
  const using = classifier();
  if (latest?.id !== id || latest.activations.classifier !== using)
    latest = { id, activations: new Activations(using, picture) };
  return latest.activations;
}

export const inside = {
  /** What the room shows of a picture and of the network in use, before any layer is computed. */
  async openPicture({ picture }: Look, work: WorkOptions): Promise<Moved<Opened>> {
    const { graph, labels } = classifier();
    const photo = await seenPart(classifier(), picture, work);
    const [, , height, width] = graph.inputs.image.shape.map(Number);
    return new Moved({ photo, input: [height!, width!] as const, values: factsOf(graph), labels }, [photo.rgba]);
  },

  /** The network's picture, SVG. */
  async drawNetwork({ depth, width }: DrawRequest): Promise<string> {
    return drawGraph(classifier().graph, { depth, width, open: true });
  },

  async mapsOf({ name, ...look }: LayerRequest, work: WorkOptions): Promise<Maps> {
    const view = activationsOf(look);
    const value = await view.valueOf(view.node(name), work);
    const shape = planesOf(value);
    const peaks = peaksOf(value.data, shape[0]);
    return { name, shape, statistics: statisticsOf(value.data), peaks, strongest: strongestFirst(peaks) };
  },

  /** Maps side by side, as a picture. */
  async paintMaps(request: PaintRequest): Promise<Moved<ImageBitmap>> {
    const view = activationsOf(request);
    const node = view.node(request.name);
    const name = request.of === "output" ? node.name : dataInputsOf(node)[0]!.name;
    const bitmap = paintStrip((await view.sectionOf(node)).get(name)!, request.channels, request);
    return new Moved(bitmap, [bitmap]);
  },

  async channelOf({ name, channel, ...look }: ChannelRequest): Promise<Moved<Channel>> {
    const view = activationsOf(look);
    const node = view.node(name);
    const value = await view.valueOf(node);
    const [, height, width] = planesOf(value);
    const size = height * width;
    const numbers = value.data.slice(channel * size, (channel + 1) * size);
    const spots = spotsOf(numbers, width).map((at) => {
      const [row, column] = [Math.floor(at / width), at % width];
      const field = receptiveField(view.classifier.graph, node, row, column);
      return { row, column, value: numbers[at]!, field };
    });
    return new Moved({ statistics: statisticsOf(numbers), numbers, spots }, [numbers.buffer]);
  },

  async explainNumber({ name, limit, id, picture, ...place }: ExplainRequest): Promise<Explained> {
    return explainNumber(activationsOf({ id, picture }), name, place, limit);
  },
};
