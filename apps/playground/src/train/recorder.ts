import { batch, signal } from "@preact/signals";
import { cameraProblem, openStream } from "../app/camera-stream.ts";
import { problem } from "../app/state.ts";
import { shotOf } from "./pictures.ts";
import { addShots } from "./state.ts";

/** The camera that classes are recorded from. */
export const stream = signal<MediaStream | undefined>(undefined);
/** The class that is being recorded. */
export const recording = signal<number | undefined>(undefined);
/** The element that shows the camera. */
let video: HTMLVideoElement | undefined;

export async function startRecorder(): Promise<void> {
  problem.value = undefined;
  try {
    stream.value = await openStream();
  } catch (error) {
    problem.value = cameraProblem(error);
  }
}

export function stopRecorder(): void {
  for (const track of stream.value?.getTracks() ?? []) track.stop();
  batch(() => {
    stream.value = undefined;
    recording.value = undefined;
  });
}

/** Shows the camera in an element. The function that it returns lets go of it. */
export function attach(element: HTMLVideoElement, of: MediaStream): () => void {
  video = element;
  element.srcObject = of;
  element.play().catch(() => {}); // it was taken away before it began
  return () => {
    video = undefined;
  };
}

/** Milliseconds between two pictures: closer ones hardly differ. */
const BETWEEN = 120;
/** The shorter side of a picture, in pixels: most networks read no more. */
const SHORT_SIDE = 256;

/** Takes pictures for a class until `release` is called: one at once, so that a tap takes one. */
export async function hold(id: number): Promise<void> {
  if (recording.value !== undefined) return;
  recording.value = id;
  while (recording.value === id && video) {
    const next = new Promise((resolve) => setTimeout(resolve, BETWEEN));
    await takeFrame(video, id);
    await next;
  }
}

export function release(): void {
  recording.value = undefined;
}

async function takeFrame(from: HTMLVideoElement, id: number): Promise<void> {
  const { videoWidth, videoHeight } = from;
  if (videoWidth === 0) return; // the camera is still waking
  const scale = SHORT_SIDE / Math.min(videoWidth, videoHeight);
  const canvas = new OffscreenCanvas(Math.round(videoWidth * scale), Math.round(videoHeight * scale));
  canvas.getContext("2d")!.drawImage(from, 0, 0, canvas.width, canvas.height);
  const shot = await shotOf(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 }), "from the camera");
  if (shot) addShots(id, [shot]);
}
