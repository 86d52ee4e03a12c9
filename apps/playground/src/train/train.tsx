import { useEffect } from "preact/hooks";
import { network } from "../app/state.ts";
import { Classes } from "./classes.tsx";
import { Confusion } from "./confusion.tsx";
import { stopRecorder } from "./recorder.ts";
import { Training } from "./training.tsx";
import "./train.css";

/** The room in which the network learns classes that a person shows it. */
export function Train() {
  useEffect(() => stopRecorder, []);
  return (
    <section class="train" aria-label="Train">
      <header class="train-head">
        <h1>Train</h1>
        <p class="quiet">
          Show {network.value?.model ?? "the network"} classes of your own, with the camera or from folders. Its last
          layer is replaced and learns them here, in your browser: no picture leaves this device.
        </p>
      </header>
      <Classes />
      <div class="train-side">
        <Training />
        <Confusion />
      </div>
    </section>
  );
}
