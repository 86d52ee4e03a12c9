import { batch } from "@preact/signals";
import { stopCamera } from "../classify/camera.ts";
import { openDialog } from "../network/dialog-state.ts";
import { loadNetwork, picture, problem, request } from "./state.ts";

/** Extensions of the files of weights that Residual reads. */
const WEIGHTS = /\.(pth?|th|bin|ckpt|safetensors|h5|hdf5|keras|onnx|npz|npy|json|tar)$/i;

/** Takes what was dropped, pasted or chosen: a file of weights by its extension; anything else as a picture. */
export function takeFiles(files: Iterable<File> | null | undefined): void {
  const [file] = files ?? [];
  if (!file) return;
  if (WEIGHTS.test(file.name)) void takeWeights(file);
  else takePicture(file, file.name);
}

export function takePicture(file: Blob, name: string): void {
  batch(() => {
    stopCamera();
    picture.value = { name, file };
  });
}

async function takeWeights(file: File): Promise<void> {
  const { backend } = request.value;
  if (await loadNetwork({ weights: file, backend })) return;
  if (problem.value) openDialog({ kind: "file", file });
}
