import { useEffect } from "preact/hooks";
import { Conformance } from "./conformance.tsx";
import { Results } from "./results.tsx";
import { Setup } from "./setup.tsx";
import { SharesFigure } from "./shares-figure.tsx";
import { drawingWidth, right, rows } from "./state.ts";
import { TimesFigure } from "./times-figure.tsx";
import { useWidth } from "./use-width.ts";
import { Where } from "./where.tsx";
import "./compare.css";

/** Pixels: the card's padding around the network's drawing, and the drawing's largest width. */
const [BESIDE_DRAWING, WIDEST] = [52, 1100];

export function Compare() {
  const [section, width] = useWidth<HTMLElement>(900);
  useEffect(() => {
    drawingWidth.value = Math.min(width - BESIDE_DRAWING, WIDEST);
  }, [width]);
  const isDone = rows.value.some(({ measured }) => measured);
  return (
    <section class="compare" ref={section} aria-labelledby="compare-title">
      <header class="compare-head">
        <h1 id="compare-title">Do the backends agree?</h1>
        <p class="quiet">
          The same network and the same picture on every backend that this browser runs, one after another. Each number
          of each layer is held against the largest error that float32 can explain, so a wrong answer shows where it
          begins.
        </p>
      </header>
      <Setup />
      {rows.value.length > 0 && <Results />}
      {isDone && (
        <div class="compare-figures">
          <SharesFigure />
          <TimesFigure />
        </div>
      )}
      {right.value && rows.value.some(({ verdict }) => verdict) && <Where />}
      <Conformance />
    </section>
  );
}
