import { FormatError, modelNameOf, type Progress, type WorkOptions } from "@residual/core";
import { type BackendName, backendNamed, identify, knownPreprocessing } from "@residual/pipeline";
import {
  type Dataset,
  dataset,
  fineTune,
  memoryStore,
  type Scores,
  split,
  type TrainingEvent,
} from "@residual/training";
import { type NetworkChoice, optionsOf } from "../engine/network-choice.ts";
import { Moved } from "../engine/rpc.ts";
import { MAX_PIXELS, wasmPaths } from "../engine/site.ts";
import { HEAD } from "./head.ts";

export interface TrainRequest {
  readonly network: NetworkChoice;
  readonly backend: BackendName;
  readonly offline: boolean;
  readonly classes: readonly GivenClass[];
}

interface GivenClass {
  readonly name: string;
  readonly pictures: readonly { readonly id: number; readonly file: Blob }[];
}

/** Progress, with the accuracy on the held-out pictures after an epoch. */
export interface TrainProgress extends Progress {
  readonly accuracy?: number;
}

export interface JudgedPicture {
  readonly id: number;
  readonly label: number;
  readonly predicted: number;
  /** The probability of the predicted class. */
  readonly confidence: number;
}

export interface Taught {
  /** The file `best.safetensors`. */
  readonly weights: Uint8Array<ArrayBuffer>;
  readonly labels: readonly string[];
  /** Pictures that were learnt from. */
  readonly learnt: number;
  readonly accuracy: number;
  readonly confusion: Scores["confusion"];
  /** The held-out pictures. */
  readonly judged: readonly JudgedPicture[];
  /** Pictures that could not be read. */
  readonly unreadable: readonly number[];
}

export const training = {
  /**
   * Trains a new last layer on features of the frozen rest, and judges it by a fifth of the pictures of each class.
   * Throws FormatError for a class of whose pictures none can be read, and as `fineTune` does.
   */
  async train(request: TrainRequest, { signal, onProgress }: WorkOptions): Promise<Moved<Taught>> {
    const { network, backend, classes, offline } = request;
    const tell = (progress: TrainProgress) => onProgress?.(progress);
    const known = await identify({ ...optionsOf(network), ...(offline && { offline }), signal, onProgress });
    const { train, heldOut } = split(await datasetOf(classes));
    const store = memoryStore();
    const { best, scores, judged, unreadable } = await fineTune({
      model: modelNameOf(known.model) ?? known.spec,
      weights: { tensors: known.tensors },
      preprocessing: knownPreprocessing(known),
      backend: await backendNamed(backend, { wasmPaths }),
      train,
      heldOut,
      epochs: 0,
      head: HEAD,
      augmentation: {},
      maxPixels: MAX_PIXELS,
      out: store,
      signal,
      onProgress: ({ stage, done, total }) => {
        if (stage === "features") tell({ stage: `picture ${done} of ${total}`, done, total });
      },
      onEvent: (event) => tellEpoch(event, tell),
    });
    const missing = new Set(unreadable);
    const read = ({ examples }: Dataset) => examples.filter(({ name }) => !missing.has(name));
    checkRead(train.labels, read(train));
    const weights = (await store.load("best"))!; // the end of the last layer's training saved it
    const judgedPictures = judged.map(({ index, ...rest }) => ({ ...rest, id: Number(read(heldOut)[index]!.name) }));
    const taught: Taught = {
      weights,
      labels: train.labels,
      learnt: read(train).length,
      accuracy: best.accuracy,
      confusion: scores.confusion,
      judged: judgedPictures,
      unreadable: unreadable.map(Number),
    };
    return new Moved(taught, [weights.buffer]);
  },
};

function tellEpoch(event: TrainingEvent, tell: (progress: TrainProgress) => void): void {
  if (event.kind !== "epoch") return;
  const { epoch: done, accuracy } = event;
  tell({ stage: `pass ${done} of ${HEAD.epochs}`, done, total: HEAD.epochs, accuracy });
}

/** Pictures are named by their ids. */
function datasetOf(classes: readonly GivenClass[]): Promise<Dataset> {
  const examples = classes.flatMap(({ pictures }, label) =>
    pictures.map(({ id, file }) => ({ image: file, label, name: `${id}` })),
  );
  return dataset(examples, { labels: classes.map(({ name }) => name) });
}

function checkRead(labels: readonly string[], examples: Dataset["examples"]): void {
  const seen = new Set(examples.map(({ label }) => label));
  const without = labels.filter((_, label) => !seen.has(label));
  if (without.length > 0)
    throw new FormatError(`${without.join(", ")}: none of the pictures to learn from can be read; add others`);
}
