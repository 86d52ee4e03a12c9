/** POST a picture, get its labels: curl --data-binary @cat.png localhost:3000/classify */
import { type Classifier, load } from "residual";

export const runtime = "nodejs"; // not the edge

const MAX_BYTES = 20e6;
/** Of the errors that are about the picture. */
const statuses = new Map([
  ["FormatError", 415],
  ["UnsupportedError", 422],
  ["BackendUnavailableError", 422], // its decoder is not installed here
]);

/** Loaded by the first request, not while the app is built; and kept when `next dev` loads this file again. */
declare global {
  var classifier: Promise<Classifier> | undefined;
}

const refuse = (status: number, code: string, message: string): Response =>
  Response.json({ code, message }, { status });

export async function POST(request: Request): Promise<Response> {
  const bytes = Number(request.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  if (bytes > MAX_BYTES) return refuse(413, "ContentTooLarge", `send at most ${MAX_BYTES} bytes, and Content-Length`);
  globalThis.classifier ??= load();
  const classifier = await globalThis.classifier;
  try {
    const picture = await request.blob();
    return Response.json({ predictions: await classifier.classify(picture, { signal: request.signal }) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const status = statuses.get(name);
    if (status === undefined) throw error; // Next logs it, and answers 500
    return refuse(status, name, message);
  }
}
