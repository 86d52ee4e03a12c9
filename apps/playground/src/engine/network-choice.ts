import type { ModelName } from "@residual/core";
import type { LoadOptions } from "@residual/pipeline";

export interface NetworkChoice {
  /** A file of weights, a known name, or nothing for the weights that ship inside. */
  readonly weights?: Blob | string | undefined;
  readonly model?: string | undefined;
}

/** The options of `load` that choose a network. Photos are turned as a browser shows them, by their EXIF data. */
export function optionsOf({ weights, model }: NetworkChoice): Pick<LoadOptions, "weights" | "model" | "preprocessing"> {
  return {
    ...(weights && { weights }),
    ...(model && { model: model as ModelName }),
    preprocessing: { upright: true },
  };
}
