import { effect } from "@preact/signals";
import { network, task } from "./state.ts";

/** Marks the document while a network is loaded and nothing is being done, for tests and for scripts that measure. */
effect(() => {
  document.documentElement.toggleAttribute("data-ready", network.value !== undefined && task.value === undefined);
});
