import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { during, engine, network, picture, problem } from "../app/state.ts";
import type { Heat } from "../engine/class-maps.ts";
import { problemOf } from "../engine/problem.ts";
import type { Seen } from "../engine/session.ts";

/** The answer to a picture, with the file; or to the last frame of the camera. */
type Answer =
  | (Seen & { readonly file: Blob })
  | (Pick<Seen, "predictions"> & { readonly times?: never; readonly file?: never });
export const seen = signal<Answer | undefined>(undefined);
export const heat = signal<Heat | undefined>(undefined);
/** Why there is no map: the network does not end in global average pooling and one linear layer. */
export const noMap = signal<string | undefined>(undefined);
/** The class of the map, where it is not the likeliest. */
export const chosenClass = signal<number | undefined>(undefined);
export const isMapShown = signal(true);
/** Share of the colours over the picture, from 0 to 1. */
export const opacity = signal(0.55);
/** The longer side of the map that is drawn, in pixels: no screen shows a map's edge finer. */
export const MAP_SIDE = 512;
export const TOP = 5;

export const mapClass = computed(() => chosenClass.value ?? seen.value?.predictions[0]?.index);

/** Width over height of the picture or the camera's frames, as browsers tell it: always turned as EXIF data says. */
export const ratioOfBrowser = signal(1.5);
const ratioOfAnswer = computed(() => {
  const answer = seen.value;
  return answer?.file && answer.file === picture.value?.file ? answer.width / answer.height : undefined;
});
/** Width over height of the picture as it is shown: as the network sees it. */
export const ratio = computed(() => ratioOfAnswer.value ?? ratioOfBrowser.value);

let lastId = 0;
let stop: AbortController | undefined;

/** A new picture or another network: asked anew. */
effect(() => {
  const given = picture.value;
  if (given && network.value) void untracked(() => classify(given.file));
});

async function classify(file: Blob): Promise<void> {
  stop?.abort();
  const controller = new AbortController();
  stop = controller;
  const id = ++lastId;
  const found = await during("Classifying", ({ signal }) =>
    engine.call("classify", { picture: file, top: TOP }, { signal: AbortSignal.any([signal, controller.signal]) }),
  );
  if (id !== lastId) return; // another picture came
  if (!found) {
    if (problem.peek()) forget();
    return;
  }
  batch(() => {
    seen.value = { ...found, file };
    heat.value = undefined;
    noMap.value = undefined;
    chosenClass.value = undefined;
  });
  if (isMapShown.peek()) await drawMap(id, file, controller.signal);
}

/** A picture that cannot be read is not shown. */
function forget(): void {
  batch(() => {
    picture.value = undefined;
    seen.value = undefined;
    heat.value = undefined;
  });
}

async function drawMap(id: number, file: Blob, stopped?: AbortSignal): Promise<void> {
  const of = mapClass.peek();
  if (of === undefined) return;
  const found = await during("Mapping the class", async ({ signal }) => {
    const either = stopped ? AbortSignal.any([signal, stopped]) : signal;
    try {
      return await engine.call("map", { id, picture: file, class: of, side: MAP_SIDE }, { signal: either });
    } catch (error) {
      const { code, message } = problemOf(error);
      if (code !== "ShapeError") throw error;
      noMap.value = message;
      return undefined;
    }
  });
  if (found && id === lastId) heat.value = found;
}

/** Shows the map of a class. While the camera runs, each frame brings it. */
export function showClass(index: number): void {
  batch(() => {
    chosenClass.value = index;
    isMapShown.value = true;
  });
  if (picture.value) void drawMap(lastId, picture.value.file);
}

export function showMap(isShown: boolean): void {
  isMapShown.value = isShown;
  if (isShown && !heat.value && picture.value) void drawMap(lastId, picture.value.file);
}
