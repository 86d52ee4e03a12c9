import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../design/icon.tsx";
import { takeFiles } from "./intake.ts";

const isOver = signal(false);

const listeners: { readonly [Name in keyof DocumentEventMap]?: (event: DocumentEventMap[Name]) => void } = {
  dragover(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    isOver.value = true;
  },
  dragleave(event) {
    if (event.relatedTarget === null) isOver.value = false; // it has left the page
  },
  drop(event) {
    isOver.value = false;
    if (event.defaultPrevented || !event.dataTransfer?.files.length) return; // a room has taken it
    event.preventDefault();
    takeFiles(event.dataTransfer.files);
  },
  paste(event) {
    if (event.clipboardData?.files.length) takeFiles(event.clipboardData.files);
  },
};

/** Files may be dropped and pasted anywhere in the page. */
export function DropTarget() {
  useEffect(() => {
    const stop = new AbortController();
    for (const [name, listener] of Object.entries(listeners))
      document.addEventListener(name, listener as EventListener, { signal: stop.signal });
    return () => stop.abort();
  }, []);
  if (!isOver.value) return null;
  return (
    <div class="drop-target">
      <Icon name="download" size={40} />
      <p>Drop a picture, or a file of weights</p>
    </div>
  );
}
