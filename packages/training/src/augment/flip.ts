import { channelsOf, emptyLike, type Raster } from "./raster.ts";

/** The image mirrored left to right. Source: torchvision, transforms/v2, RandomHorizontalFlip. */
export function flipped(raster: Raster): Raster {
  const { width, height, data } = raster;
  const channels = channelsOf(raster);
  const out = emptyLike(raster, data.length);
  const row = width * channels;
  for (let c = 0; c < channels; c++) {
    for (let start = c; start < data.length; start += row) {
      let to = start + row - channels;
      for (let from = start; from < start + row; from += channels, to -= channels) out[to] = data[from]!;
    }
  }
  return { width, height, data: out };
}
