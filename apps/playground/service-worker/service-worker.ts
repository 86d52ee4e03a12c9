/**
 * Keeps the page for use offline. What the page opens with is fetched when it is installed, whole or not at all; other
 * files of the page, such as a backend's code, when they are first used. Their names hold their hashes, so that a kept
 * file is never stale. Weights with names lie in a cache of their own, which the weights package fills.
 */

declare const self: ServiceWorkerGlobalScope;
/** Put in by the build: the files that the page opens with, and a name that changes with them. */
declare const KEPT_FILES: readonly string[];
declare const VERSION: string;

const current = `playground-${VERSION}`;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", ({ data }) => {
  if (data === "take over") void self.skipWaiting();
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = /^(GET|HEAD)$/.test(request.method) && request.url.startsWith(self.registration.scope);
  if (isOurs) event.respondWith(answer(request));
});

async function install(): Promise<void> {
  const cache = await caches.open(current);
  await cache.addAll(KEPT_FILES.map((file) => new Request(file, { cache: "no-cache" })));
}

/** The first version serves the page that has installed it; former versions are dropped. */
async function activate(): Promise<void> {
  for (const name of await caches.keys())
    if (name.startsWith("playground-") && name !== current) await caches.delete(name);
  await self.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(current);
  const kept = await cache.match(request.url.replace(/\/index\.html$/, "/"), { ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  const isWhole = request.method === "GET" && response.status === 200;
  if (isWhole) await cache.put(request, response.clone()).catch(() => {}); // the storage is full: used, not kept
  return response;
}
