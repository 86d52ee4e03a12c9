import type { Classifier, LoadOptions } from "residual";

export type Source = Pick<LoadOptions, "weights" | "model">;
export type Predictions = Awaited<ReturnType<Classifier["classify"]>>;
/** Classifies pictures until the signal that it was opened with is aborted, which frees the model. */
export type Classify = (picture: Blob, signal: AbortSignal) => Promise<Predictions>;
type Progress = Parameters<NonNullable<LoadOptions["onProgress"]>>[0];
type Open = (source: Source, options: CallOptions) => Promise<Classify>;

interface CallOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export type Request = { readonly source: Source } | { readonly picture: Blob };
export type Reply =
  | { readonly progress: Progress }
  | { readonly predictions: Predictions }
  | { readonly name: string; readonly message: string };

const inWorker: Open = async (source, options) => {
  const worker = new Worker(new URL("./classifier-worker.ts", import.meta.url), { type: "module" });
  options.signal.addEventListener("abort", () => worker.terminate());
  await call(worker, { source }, options);
  return (picture, signal) => call(worker, { picture }, { signal });
};

const onPage: Open = async (source, options) => {
  const { load } = await import("residual"); // a chunk of its own, which a page with a worker does not fetch
  const classifier = await load({ ...source, ...options });
  const free = () => void classifier.dispose();
  if (options.signal.aborted) free();
  else options.signal.addEventListener("abort", free);
  return (picture, signal) => classifier.classify(picture, { signal });
};

export const open: { readonly worker: Open; readonly page: Open } = { worker: inWorker, page: onPage };

/** A request to the worker, and the worker's answer. The error has the name and message that it had there. */
async function call(worker: Worker, request: Request, { signal, onProgress }: CallOptions): Promise<Predictions> {
  signal.throwIfAborted(); // a picture that another one replaced while the model was loading
  const { port1: port, port2 } = new MessageChannel();
  const { promise, resolve, reject } = Promise.withResolvers<Predictions>();
  const ended = new AbortController();
  const abort = () => {
    port.postMessage("abort");
    reject(signal.reason); // a worker that is terminated answers nothing
  };
  signal.addEventListener("abort", abort, { signal: ended.signal });
  worker.addEventListener("error", ({ message }) => reject(new Error(message)), { signal: ended.signal });
  port.onmessage = ({ data }: MessageEvent<Reply>) => {
    if ("progress" in data) onProgress?.(data.progress);
    else if ("predictions" in data) resolve(data.predictions);
    else reject(Object.assign(new Error(data.message), { name: data.name }));
  };
  worker.postMessage(request, [port2]);
  return promise.finally(() => {
    ended.abort();
    port.close();
  });
}
