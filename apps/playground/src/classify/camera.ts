import { batch, effect, signal } from "@preact/signals";
import { cameraProblem, openStream } from "../app/camera-stream.ts";
import { engine, fail, isCameraAsked, picture, problem } from "../app/state.ts";
import { problemOf } from "../engine/problem.ts";
import type { Watched } from "../engine/session.ts";
import { chosenClass, heat, isMapShown, MAP_SIDE, noMap, seen, TOP } from "./state.ts";

/** A camera that is classified, frame by frame. */
export interface Camera {
  attach(video: HTMLVideoElement): Promise<void>;
  stop(): void;
}

export const camera = signal<Camera | undefined>(undefined);
/** Frames answered a second, over the last ones. */
export const framesPerSecond = signal<number | undefined>(undefined);

export async function startCamera(): Promise<void> {
  problem.value = undefined;
  try {
    const stream = await openStream();
    batch(() => {
      picture.value = undefined;
      seen.value = undefined;
      heat.value = undefined;
      noMap.value = undefined;
      camera.value = openCamera(stream);
    });
  } catch (error) {
    problem.value = cameraProblem(error);
  }
}

/** Asked for by another room. */
effect(() => {
  if (!isCameraAsked.value) return;
  isCameraAsked.value = false;
  void startCamera();
});

export function stopCamera(): void {
  camera.value?.stop();
  batch(() => {
    camera.value = undefined;
    framesPerSecond.value = undefined;
    seen.value = undefined;
    heat.value = undefined;
  });
}

function openCamera(stream: MediaStream): Camera {
  const stop = new AbortController();
  return {
    async attach(video) {
      video.srcObject = stream;
      try {
        await video.play();
        await watch(video, stop.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        fail(error);
        stopCamera();
      }
    },
    stop() {
      stop.abort();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

/** One frame at a time: the next is taken when the last is answered. */
async function watch(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  const ends: number[] = [];
  while (!signal.aborted) {
    await nextFrame(video);
    await answer(await createImageBitmap(video), signal);
    ends.push(performance.now());
    if (ends.length > 20) ends.shift();
    if (ends.length > 1) framesPerSecond.value = (1000 * (ends.length - 1)) / (ends.at(-1)! - ends[0]!);
  }
}

async function answer(frame: ImageBitmap, signal: AbortSignal): Promise<void> {
  try {
    const found = await watched(frame, signal);
    if (signal.aborted) return;
    batch(() => {
      seen.value = { predictions: found.predictions };
      heat.value = found.heat;
    });
  } finally {
    frame.close();
  }
}

async function watched(frame: ImageBitmap, signal: AbortSignal): Promise<Watched> {
  const [of, isMapped] = [chosenClass.peek(), isMapShown.peek() && noMap.peek() === undefined];
  try {
    return await engine.call("watch", { frame, top: TOP, side: isMapped ? MAP_SIDE : 0, class: of }, { signal });
  } catch (error) {
    const { code, message } = problemOf(error);
    if (!isMapped || code !== "ShapeError") throw error;
    noMap.value = message;
    return watched(frame, signal);
  }
}

function nextFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => video.requestVideoFrameCallback(() => resolve()));
}
