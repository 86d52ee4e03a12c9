import { signal } from "@preact/signals";

/** Whether the service worker holds the page, so that it opens without a network. */
export const isKept = signal(false);
/** Opens the newer version of the page, which is fetched already. Undefined while there is none. */
export const update = signal<(() => void) | undefined>(undefined);

/** Registers the service worker. An open page stays as it is, until a person has it loaded again. */
export async function keepOffline(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker || import.meta.env.DEV) return; // not a secure context, or private browsing
  let hasController = serviceWorker.controller !== null;
  serviceWorker.addEventListener("controllerchange", () => {
    if (hasController) update.value = () => location.reload();
    hasController = true;
  });
  const registration = await serviceWorker.register("./service-worker.js", { type: "module" });
  isKept.value = registration.active !== null;
  const { installing } = registration;
  installing?.addEventListener("statechange", () => {
    if (installing.state === "activated") isKept.value = true;
  });
}
