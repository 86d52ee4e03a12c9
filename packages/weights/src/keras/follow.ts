import { configurationIn } from "../keras-network.ts";
import type { WeightsLayout } from "../layout.ts";
import { nameByGraph } from "../network/identify.ts";
import { readNetwork } from "./network.ts";

/**
 * What the configuration of a Keras model tells of its tensors: the model that it computes, whatever its layers are
 * called. A file without a configuration, or with one that lists no layers, has its tensors by their names.
 */
export function followKeras(file: string): NonNullable<WeightsLayout["follow"]> {
  return (tensors, metadata = {}, known) => {
    const reading = readNetwork(configurationIn(metadata), tensors);
    return reading && nameByGraph(reading.network, file, tensors, metadata, known);
  };
}
