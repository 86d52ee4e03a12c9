import type { BackendDescription, Executable, WorkOptions } from "@residual/core";
import { decodeImage, type Prediction, type Preprocessing, preprocess, topK } from "@residual/vision";
import { type BackendSource, chooseBackend } from "./backends.ts";
import { checkLogits, type Prepared, type PrepareOptions, prepare } from "./prepare.ts";

export interface LoadOptions extends PrepareOptions {
  /** A backend, a name of one, the path of a module that exports one, or `auto` for the best that is available. `auto` */
  readonly backend?: BackendSource | undefined;
  readonly threads?: number | undefined;
}

/** A model ready to look at pictures. Dispose it to free what it holds. */
export interface Classifier extends AsyncDisposable {
  readonly model: string;
  readonly weights: string;
  readonly backend: { readonly name: string } & BackendDescription;
  readonly preprocessing: Preprocessing;
  readonly executable: Executable<"image">;
  /** The `top` likeliest classes of a picture: a path, or the bytes of a file. */
  classify(
    image: string | Uint8Array,
    options?: WorkOptions & { readonly top?: number },
  ): Promise<readonly Prediction[]>;
  dispose(): Promise<void>;
}

/**
 * From a name to a model that classifies: `await load()` for the weights that ship with the package, `await load({ model:
 * "resnet50", weights: "r50.safetensors" })` for others.
 *
 * Throws UsageError for a name that there is none of, WeightsError where weights and model do not fit, FormatError for a
 * broken file, BackendUnavailableError where the backend's runtime is missing.
 */
export async function load(options: LoadOptions = {}): Promise<Classifier> {
  const { backend, description } = await chooseBackend(options.backend ?? "auto", options);
  const prepared = await prepare(options);
  checkLogits(prepared.graph);
  const executable = await backend.compile(prepared.graph, options);
  const dispose = () => executable.dispose();
  return {
    model: prepared.model,
    weights: prepared.weights,
    backend: { name: backend.name, ...description },
    preprocessing: prepared.preprocessing,
    executable,
    classify: (image, { top = 5, ...work } = {}) => classify(prepared, executable, image, top, work),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

async function classify(
  { preprocessing, labels }: Prepared,
  executable: Executable<"image">,
  source: string | Uint8Array,
  top: number,
  { signal }: WorkOptions,
): Promise<readonly Prediction[]> {
  const pixels = await decodeImage(source, { signal, upright: preprocessing.upright });
  const { logits } = await executable.run({ image: preprocess(pixels, preprocessing) }, { signal });
  return topK(logits!, top, labels)[0]!;
}
