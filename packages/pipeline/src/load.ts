import type { BackendDescription, Executable, Preprocessing, WorkOptions } from "@residual/core";
import { decodeImage, type Picture, type Prediction, preprocess, topK } from "@residual/vision";
import { type BackendSource, chooseBackend } from "./backends.ts";
import { prepareOn } from "./compile.ts";
import type { PrepareOptions } from "./identify.ts";
import { checkLogits, knownPreprocessing } from "./prepare.ts";

export interface LoadOptions extends PrepareOptions {
  /**
   * A backend, a name of one, the path of a module that exports one, or `auto` for the best that is available. `auto`
   */
  readonly backend?: BackendSource | undefined;
  readonly threads?: number | undefined;
  /** The most pixels, width × height, of a picture; decodeImage's own limit where not given. */
  readonly maxPixels?: number | undefined;
  /** Is told, in words for people, what makes the backend slower than it could be. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A model ready to look at pictures. Dispose it to free what it holds. */
export interface Classifier extends AsyncDisposable {
  readonly model: string;
  readonly weights: string;
  readonly backend: { readonly name: string } & BackendDescription;
  readonly preprocessing: Preprocessing;
  /** A name for each class; undefined where none are known, and predictions are called by their index. */
  readonly labels: readonly string[] | undefined;
  readonly executable: Executable<"image">;
  /** The `top` likeliest classes of a picture, likeliest first: 5 where not given. */
  classify(picture: Picture, options?: WorkOptions & { readonly top?: number }): Promise<readonly Prediction[]>;
  dispose(): Promise<void>;
}

/**
 * From names to a model that classifies: `await load()` for the weights that ship with the package, `await load({
 * model: "resnet50", weights: "r50.safetensors" })` for others.
 *
 * Throws OptionError, an UnsupportedError, for a name that nothing has, WeightsError where weights and model do not
 * fit, FormatError for a broken file, BackendUnavailableError where the backend's runtime is missing, AbortError.
 */
export async function load(options: LoadOptions = {}): Promise<Classifier> {
  const { backend, description } = await chooseBackend(options.backend ?? "auto", options);
  const { prepared, executable } = await prepareOn(backend, options, (found) => {
    checkLogits(found.graph);
    knownPreprocessing(found);
    return found.graph;
  });
  const preprocessing = knownPreprocessing(prepared);
  const { model, weights, labels } = prepared;
  const underWay = new Set<Promise<unknown>>();
  const classify: Classifier["classify"] = async (picture, { top = 5, signal } = {}) => {
    const pixels = await decodeImage(picture, { signal, upright: preprocessing.upright, maxPixels: options.maxPixels });
    const { logits } = await executable.run({ image: preprocess(pixels, preprocessing) }, { signal });
    return topK(logits!, top, labels)[0]!;
  };
  const dispose = async () => {
    await Promise.allSettled(underWay); // a picture that is being decoded has not come to the executable
    await executable.dispose();
  };
  return {
    model,
    weights,
    backend: { name: backend.name, ...description },
    preprocessing,
    labels,
    executable,
    classify(picture, options) {
      const mine = classify(picture, options);
      const settled = mine.then(ignore, ignore);
      underWay.add(settled);
      void settled.then(() => underWay.delete(settled));
      return mine;
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

const ignore = () => {};
