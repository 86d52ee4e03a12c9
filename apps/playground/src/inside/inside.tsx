import { useEffect } from "preact/hooks";
import { picture } from "../app/state.ts";
import { Samples } from "../classify/samples.tsx";
import { Mark } from "../design/mark.tsx";
import { Connection } from "./connection.tsx";
import { Layer } from "./layer.tsx";
import { Network } from "./network.tsx";
import { follow, opened, selection } from "./state.ts";
import "./inside.css";

/** The room in which a network is taken apart, down to the products that make one number. */
export function Inside() {
  useEffect(follow, []);
  return (
    <section class="inside" aria-label="Look inside">
      <header class="inside-head">
        <div>
          <h1>Look inside</h1>
          <p class="quiet">
            Open a layer for its feature maps, a map for the products behind each of its numbers, a line for what it
            carries.
          </p>
        </div>
        <Samples current={picture.value?.name} />
      </header>
      <Network />
      <div class="inside-detail">{opened.value ? <Detail /> : <Waiting />}</div>
    </section>
  );
}

function Detail() {
  const selected = selection.value;
  if (selected?.kind === "layer") return <Layer name={selected.name} box={selected.box} />;
  return selected ? <Connection name={selected.name} /> : null;
}

function Waiting() {
  if (!picture.value) return <p class="quiet">Drop a picture anywhere, or choose a sample.</p>;
  return (
    <div class="room-loading" role="status">
      <Mark size={48} isBusy />
      <span class="aloud">One moment</span>
    </div>
  );
}
