import type { WeightsLayout } from "../layout.ts";
import { nameByGraph } from "../network/identify.ts";
import { configurationIn } from "./facts.ts";
import { readNetwork } from "./network.ts";

/**
 * Matches the graph in a Keras configuration with the models of core, whatever the names of the layers. If the file has
 * no configuration, or one that lists no layers, tensors keep their names in the file.
 */
export function followKeras(file: string): NonNullable<WeightsLayout["follow"]> {
  return (tensors, metadata = {}, known) => {
    const reading = readNetwork(configurationIn(metadata), tensors);
    return reading && nameByGraph(reading.network, file, tensors, metadata, known);
  };
}
