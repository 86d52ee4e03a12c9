import { signal } from "@preact/signals";

/** Whether the service worker holds the page, so that it opens without a network. */
export const isKept = signal(false);
/** Puts a newer version of the page, which is fetched already, in place of this one. Undefined while there is none. */
export const update = signal<(() => void) | undefined>(undefined);

/** Registers the service worker. An update waits until a person asks for it. */
export async function keepOffline(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker || import.meta.env.DEV) return; // not a secure context, or private browsing
  let isReloading = false;
  const registration = await serviceWorker.register("./service-worker.js", { type: "module" });
  const offer = (waiting: ServiceWorker) => {
    update.value = () => {
      serviceWorker.addEventListener("controllerchange", () => {
        if (!isReloading) location.reload();
        isReloading = true;
      });
      waiting.postMessage("take over");
    };
  };
  const watch = (worker: ServiceWorker | null) =>
    worker?.addEventListener("statechange", () => {
      if (worker.state === "installed" && serviceWorker.controller) offer(worker);
      if (worker.state === "activated") isKept.value = true;
    });
  isKept.value = registration.active !== null;
  if (registration.waiting && serviceWorker.controller) offer(registration.waiting);
  watch(registration.installing);
  registration.addEventListener("updatefound", () => watch(registration.installing));
}
