import type { Problem } from "../engine/problem.ts";

/** Why a camera does not start, by the name of the browser's error. */
const reasons: { readonly [name: string]: string } = {
  NotAllowedError: "the browser has not allowed the camera; allow it beside the page's address, and start it again",
  NotFoundError: "no camera was found; connect one, or choose a picture",
  NotReadableError: "another program is using the camera; close that program, and start it again",
  OverconstrainedError: "no camera of this kind was found; choose a picture",
};

export async function openStream(): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new Error("browsers give cameras to pages of HTTPS or localhost only");
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 640 } } });
}

/** Why `openStream` has failed, in words. */
export function cameraProblem(error: unknown): Problem {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { code: "CameraError", message: reasons[name] ?? `${message}; choose a picture instead` };
}
