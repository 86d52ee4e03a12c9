import { type Classifier, load } from "residual";
import type { Reply, Request } from "./open.ts";

let classifier: Classifier;

/** Answers a request on the port that it brings. A message on the port aborts it. */
async function answer(request: Request, port: MessagePort): Promise<void> {
  const reply = (message: Reply) => port.postMessage(message);
  const aborting = new AbortController();
  const { signal } = aborting;
  port.onmessage = () => aborting.abort();
  try {
    if ("picture" in request) reply({ predictions: await classifier.classify(request.picture, { signal }) });
    else {
      classifier = await load({ ...request.source, signal, onProgress: (progress) => reply({ progress }) });
      reply({ predictions: [] });
    }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    reply({ name, message }); // a clone of the error would lose its name
  }
}

addEventListener("message", ({ data, ports }: MessageEvent<Request>) => void answer(data, ports[0]!));
