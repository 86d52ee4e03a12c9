import { formatOf, type ReadFormat, START } from "./format.ts";
import { type FormatReader, type ReadingOptions, type WeightsLayout, weightsOf } from "./layout.ts";
import type { OpenFile } from "./open-file.ts";
import { safetensorsLayout } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/** The reader of each format. Readers of rare formats are imported on demand. */
const readers: { readonly [F in ReadFormat]: () => Promise<FormatReader> } = {
  safetensors: async () => safetensorsLayout,
  index: async () => {
    const { shardedLayout } = await import("./shards.ts");
    return (file, options) => shardedLayout(file, async (shard) => (await opened(shard, options, true)).layout);
  },
  PyTorch: async () => (await import("./pytorch/index.ts")).zipLayout,
  "TensorFlow.js": async () => (await import("./tfjs/layout.ts")).tfjsLayout,
  ONNX: async () => (await import("./onnx/layout.ts")).onnxLayout,
  "PyTorch before 1.6": async () => (await import("./pytorch/index.ts")).legacyLayout,
  NumPy: async () => (await import("./npz/layout.ts")).npzLayout,
  "NumPy array": async () => (await import("./npz/layout.ts")).npyLayout,
  HDF5: async () => (await import("./keras/h5.ts")).h5Layout,
  Keras: async () => (await import("./keras/archive.ts")).kerasLayout,
};

/** Reads the weights of an open file. Its bytes determine the format. Throws the errors of the format's reader. */
export async function readOpen(file: OpenFile, options: ReadingOptions): Promise<Weights> {
  const { format, layout } = await opened(file, options);
  const hasKeras = layout.metadata?.["keras.config"] !== undefined && !layout.follow; // in any format
  const follow = hasKeras ? (await import("./keras/follow.ts")).followKeras(file.name) : layout.follow;
  return weightsOf({ ...layout, ...(follow && { follow }) }, file, format, options);
}

async function opened(
  file: OpenFile,
  options: ReadingOptions,
  isShard = false,
): Promise<{ readonly format: string; readonly layout: WeightsLayout }> {
  const format = formatOf(await file.read(0, Math.min(file.size, START)), file.size);
  if (typeof format === "object") throw format.refuse(file.name);
  if (isShard && format === "index") (await import("./shards.ts")).refuseNested(file.name);
  const read = await readers[format]();
  return { format: format === "index" ? "safetensors, sharded" : format, layout: await read(file, options) };
}
