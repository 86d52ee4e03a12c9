import type { Weights } from "./weights.ts";

/**
 * The epsilon of the norms of a Keras model, by the configuration in its file. Undefined for other files, and where
 * norms differ in it.
 */
export function kerasEpsilon({ metadata }: Weights): number | undefined {
  const config = metadata["keras.config"];
  if (config === undefined) return undefined;
  try {
    const found = new Set<number>();
    JSON.parse(config, (_, value: unknown) => {
      const { class_name: kind, config: layer } = (value ?? {}) as {
        readonly class_name?: unknown;
        readonly config?: { readonly epsilon?: unknown } | null;
      };
      if (kind === "BatchNormalization" && typeof layer?.epsilon === "number") found.add(layer.epsilon);
      return value;
    });
    const [epsilon, ...others] = found;
    return others.length === 0 ? epsilon : undefined;
  } catch {
    return undefined; // a file whose configuration is damaged still has its weights
  }
}
