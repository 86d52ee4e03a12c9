/**
 * Answers `POST classify` with the labels of a picture. The page's files and the weights are kept, so that all of it
 * works offline after the first visit.
 */
import { type Classifier, load } from "@residual/pipeline";

declare const self: ServiceWorkerGlobalScope;

const WEIGHTS = "resnet20-cifar10.safetensors";
/** Of the errors that are about the picture. */
const statuses = new Map([
  ["FormatError", 415],
  ["UnsupportedError", 422],
]);

const kept = () => caches.open("starter");

self.addEventListener("install", (event) => {
  const keep = async () => (await kept()).addAll(["./", WEIGHTS]);
  event.waitUntil(Promise.all([keep(), self.skipWaiting()]));
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", (event) => event.waitUntil(self.clients.claim())); // by a page

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "POST" && url === new URL("classify", self.registration.scope).href)
    event.respondWith(classify(event.request));
  else if (method === "GET") event.respondWith(fromNetworkOrKept(event.request));
});

async function classify(request: Request): Promise<Response> {
  try {
    const picture = await request.blob();
    return Response.json({ predictions: await (await classifier()).classify(picture, { signal: request.signal }) });
  } catch (error) {
    const { name: code, message } = error instanceof Error ? error : new Error(String(error));
    return Response.json({ code, message }, { status: statuses.get(code) ?? 500 });
  }
}

let loading: Promise<Classifier> | undefined;

/** The browser ends an idle worker, and with it the model. The next picture loads it again, from the kept weights. */
function classifier(): Promise<Classifier> {
  loading ??= fromKeptWeights().catch((error: unknown) => {
    loading = undefined; // the next picture tries again
    throw error;
  });
  return loading;
}

async function fromKeptWeights(): Promise<Classifier> {
  const weights = (await (await kept()).match(WEIGHTS)) ?? (await fetch(WEIGHTS));
  return load({ weights });
}

async function fromNetworkOrKept(request: Request): Promise<Response> {
  const cache = await kept();
  try {
    const [response, held] = [await fetch(request), await cache.match(request)];
    if (!held) return response;
    if (!response.ok) return held; // a server that fails is no new version
    await cache.put(request, response.clone());
    return response;
  } catch {
    return (await cache.match(request)) ?? Response.error();
  }
}
