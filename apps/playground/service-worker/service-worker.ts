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
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = /^(GET|HEAD)$/.test(request.method) && request.url.startsWith(self.registration.scope);
  if (isOurs) event.respondWith(answer(request));
});

/**
 * A new version takes over as soon as the browser lets it. The browser holds it back while the former one is at work,
 * for up to five minutes, so that no page may wait for that moment.
 */
async function install(): Promise<void> {
  const cache = await caches.open(current);
  await cache.addAll(KEPT_FILES.map((file) => new Request(file, { cache: "no-cache" })));
  void self.skipWaiting();
}

/** Serves the pages that are open: of the version before too, whose files stay. Older versions are dropped. */
async function activate(): Promise<void> {
  for (const name of (await formerVersions()).slice(0, -1)) await caches.delete(name);
  await self.clients.claim();
}

/** The caches of other versions, oldest first. */
async function formerVersions(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith("playground-") && name !== current);
}

async function answer(request: Request): Promise<Response> {
  const kept = await find(request.url.replace(/\/index\.html$/, "/"));
  if (kept) return kept;
  const response = await fetch(request);
  const isWhole = request.method === "GET" && response.status === 200;
  const cache = await caches.open(current);
  if (isWhole) await cache.put(request, response.clone()).catch(() => {}); // the storage is full: used, not kept
  return response;
}

async function find(url: string): Promise<Response | undefined> {
  for (const cacheName of [current, ...(await formerVersions())]) {
    const kept = await caches.match(url, { cacheName, ignoreSearch: true, ignoreVary: true });
    if (kept) return kept;
  }
  return undefined;
}
