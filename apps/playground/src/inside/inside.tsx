import { useEffect } from "preact/hooks";
import { network, picture } from "../app/state.ts";
import { Mark } from "../design/mark.tsx";
import { Connection } from "./connection.tsx";
import { Layer } from "./layer.tsx";
import { Network } from "./network.tsx";
import { follow, selection } from "./state.ts";
import "./inside.css";

/** The room in which a network is taken apart, down to the products that make one number. */
export function Inside() {
  useEffect(follow, []);
  const selected = selection.value;
  return (
    <section class="inside" aria-label="Look inside">
      <header class="inside-head">
        <h1>Look inside</h1>
        <p class="quiet">
          {network.value?.model} looks at {picture.value?.name ?? "a photo"}. Open a layer for its feature maps, a map
          for the products behind each of its numbers, a connection for what it carries.
        </p>
      </header>
      <Network />
      <div class="inside-detail">
        {selected?.kind === "layer" && <Layer name={selected.name} box={selected.box} />}
        {selected?.kind === "connection" && <Connection name={selected.name} />}
        {!selected && (
          <div class="waiting" role="status">
            <Mark size={48} isBusy />
            <span class="aloud">One moment</span>
          </div>
        )}
      </div>
    </section>
  );
}
