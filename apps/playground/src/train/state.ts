import { batch, computed, signal } from "@preact/signals";
import type { Progress } from "@residual/core";
import type { BackendName } from "@residual/pipeline";
import { during, loadNetwork, network, note, request } from "../app/state.ts";
import { startLearner } from "../engine/engine.ts";
import type { LoadRequest } from "../engine/session.ts";
import type { Taught, TrainProgress } from "../learning/train-methods.ts";
import { classesIn, type GivenFiles, type Shot, shotOf } from "./pictures.ts";
import { shortfallOf } from "./shortfall.ts";

export interface TaughtClass {
  readonly id: number;
  readonly name: string;
  readonly pictures: readonly Shot[];
}

let lastClass = 2;
export const classes = signal<readonly TaughtClass[]>([
  { id: 1, name: "Class 1", pictures: [] },
  { id: 2, name: "Class 2", pictures: [] },
]);
export const shortfall = computed(() => shortfallOf(classes.value));

/** What a training has made, with what the page shows of it. */
export interface Outcome extends Omit<Taught, "weights"> {
  readonly file: File;
  readonly url: string;
  /** The network that it was trained from. */
  readonly from: LoadRequest;
  readonly backend: string;
  readonly seconds: number;
  /** All pictures that were given, by their ids. */
  readonly pictures: ReadonlyMap<number, Shot>;
}
export const outcome = signal<Outcome | undefined>(undefined);

/** The training under way: accuracies on the held-out pictures, pass by pass. */
export const underWay = signal<{ readonly accuracies: readonly number[] } | undefined>(undefined);
/** The cell of the confusion table whose pictures are shown. */
export const cell = signal<{ readonly label: number; readonly predicted: number } | undefined>(undefined);

function change(id: number, next: (old: TaughtClass) => TaughtClass): void {
  classes.value = classes.value.map((each) => (each.id === id ? next(each) : each));
}

export const rename = (id: number, name: string): void => change(id, (old) => ({ ...old, name }));

export function addClass(): void {
  const id = ++lastClass;
  classes.value = [...classes.value, { id, name: `Class ${id}`, pictures: [] }];
}

export function removeClass(id: number): void {
  classes.value = classes.value.filter((each) => each.id !== id);
}

export const addShots = (id: number, shots: readonly Shot[]): void =>
  change(id, (old) => ({ ...old, pictures: [...old.pictures, ...shots] }));

export const removeShot = (id: number, shot: Shot): void =>
  change(id, (old) => ({ ...old, pictures: old.pictures.filter((each) => each !== shot) }));

export async function addFiles(id: number, files: readonly File[]): Promise<void> {
  await reading([{ label: "", files }], (_, shots) => addShots(id, shots));
}

/** Takes a folder with a subfolder for each class. Classes that have no pictures yet make room. */
export async function addFolder(files: readonly File[]): Promise<void> {
  const { classes: given, loose } = classesIn(files);
  classes.value = classes.value.filter(({ pictures }) => pictures.length > 0);
  for (const { label } of given)
    if (!classes.value.some(({ name }) => name === label))
      classes.value = [...classes.value, { id: ++lastClass, name: label, pictures: [] }];
  const idOf = (label: string) => classes.value.find(({ name }) => name === label)!.id;
  await reading(given, (label, shots) => addShots(idOf(label), shots));
  if (loose.length > 0) tell(`${few(loose)} left out: in no subfolder, so in no class.`);
}

/** Reads files, and names those that are no pictures. */
async function reading(given: readonly GivenFiles[], take: (label: string, shots: readonly Shot[]) => void) {
  note.value = undefined;
  const total = given.reduce((sum, { files }) => sum + files.length, 0);
  const refused: string[] = [];
  await during("Taking the pictures", async ({ signal, onProgress }) => {
    let done = 0;
    for (const { label, files } of given)
      for (const file of files) {
        if (signal.aborted) return;
        const shot = await shotOf(file, file.name);
        if (shot) take(label, [shot]);
        else refused.push(file.name);
        onProgress({ stage: `${++done} of ${total}`, done, total });
      }
  });
  const what = refused.length === 1 ? "not a picture" : "not pictures";
  if (refused.length > 0) tell(`${few(refused)} left out: ${what} that this browser can read.`);
}

const tell = (sentence: string): void => {
  note.value = note.value ? `${note.value} ${sentence}` : sentence;
};

function few(names: readonly string[]): string {
  const [shown, rest] = [names.slice(0, 3).join(", "), names.length - 3];
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}

/** Trains, and puts the trained network in place of the one in use. */
export async function train(): Promise<void> {
  const using = network.value;
  if (!using || shortfall.value.length > 0) return;
  const given = classes.value;
  const past = outcome.value; // what it has made is not trained on: the pictures kept aside may differ
  const from = past && past.file === request.value.weights ? past.from : request.value;
  const pictures = new Map(given.flatMap((each) => each.pictures.map((shot) => [shot.id, shot] as const)));
  underWay.value = { accuracies: [] };
  const start = performance.now();
  const taught = await during("Training", (work) => ask(given, from, using.backend.name, work));
  underWay.value = undefined;
  if (!taught) return;
  const { weights, ...facts } = taught;
  const file = new File([weights], "best.safetensors");
  const seconds = (performance.now() - start) / 1000;
  batch(() => {
    if (outcome.value) URL.revokeObjectURL(outcome.value.url);
    cell.value = undefined;
    const url = URL.createObjectURL(file);
    outcome.value = { ...facts, file, url, from, backend: using.backend.name, seconds, pictures };
  });
  await loadNetwork({ weights: file, backend: from.backend });
}

interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

async function ask(
  given: readonly TaughtClass[],
  from: LoadRequest,
  backend: BackendName,
  { signal, onProgress }: Work,
): Promise<Taught> {
  const worker = startLearner();
  try {
    const { weights, model } = from;
    const asked = given.map(({ name, pictures }) => ({
      name: name.trim(),
      pictures: pictures.map(({ id, file }) => ({ id, file })),
    }));
    const call = { network: { weights, model }, backend, offline: !navigator.onLine, classes: asked };
    return await worker.call("train", call, {
      signal,
      onProgress(progress: TrainProgress) {
        onProgress(progress);
        const { accuracy } = progress;
        const known = underWay.peek()?.accuracies ?? [];
        if (accuracy !== undefined) underWay.value = { accuracies: [...known, accuracy] };
      },
    });
  } finally {
    worker.end();
  }
}
