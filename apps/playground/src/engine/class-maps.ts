import { type Signal, type Tensor, tensorOf } from "@residual/core";
import type { Classifier } from "@residual/pipeline";
import { type Area, cropArea, overlayCam, type Pixels } from "@residual/vision";

/** The class activation maps of a picture, of all classes. */
export interface ClassMaps {
  readonly logits: Tensor<"float32">;
  /** [1, classes, H, W] */
  readonly cam: Tensor<"float32">;
  /** Of the picture, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The part of the picture that the network sees. */
  readonly area: Area;
}

export async function mapsOf(classifier: Classifier, pixels: Pixels, signal: Signal | undefined): Promise<ClassMaps> {
  const { logits, cam } = await classifier.features(["logits", "cam"], pixels, { signal });
  const { width, height } = pixels;
  return { logits, cam, width, height, area: cropArea(pixels, classifier.preprocessing) };
}

/** The colours of a class activation map, opaque: RGBA, to be laid over the picture. */
export interface Heat {
  readonly width: number;
  readonly height: number;
  readonly rgba: ArrayBuffer;
}

/** The map of one class over the whole picture, with `side` pixels on its longer side; black where nothing is seen. */
export function heatOf(maps: ClassMaps, of: number, side: number): Heat {
  const scale = side / Math.max(maps.width, maps.height);
  const [width, height] = [Math.ceil(maps.width * scale), Math.ceil(maps.height * scale)];
  const [across, down] = [width / maps.width, height / maps.height];
  const { left, top, ...size } = maps.area;
  const area = { left: left * across, top: top * down, width: size.width * across, height: size.height * down };
  const black = { width, height, data: new Uint8Array(width * height * 3) };
  const { data } = overlayCam({ pixels: black, map: mapOf(maps.cam, of), area }, { opacity: 1 });
  return { width, height, rgba: data.buffer as ArrayBuffer };
}

/** The map [H, W] of one class. */
function mapOf({ shape, data }: Tensor<"float32">, of: number): Tensor<"float32"> {
  const [height, width] = shape.slice(2) as [number, number];
  const size = height * width;
  return tensorOf("float32", [height, width], data.slice(of * size, (of + 1) * size));
}
