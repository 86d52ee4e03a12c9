import type { Prediction } from "@residual/vision";
import { percent } from "../app/format.ts";
import { request } from "../app/state.ts";
import { Meter } from "../design/components.tsx";
import { openDialog } from "../network/dialog-state.ts";
import { heat, isMapShown, mapClass, seen, showClass } from "./state.ts";

/** The likeliest class in large, then the top five. A class that is chosen shows its own map. */
export function Results() {
  const { predictions = [] } = seen.value ?? {};
  const [best] = predictions;
  if (!best) return <Empty />;
  return (
    <div class="results">
      <p class="best" aria-live="polite">
        <span class="label">{nameOf(best)}</span>
        <Share of={best} />
      </p>
      <ol aria-label="Top five">
        {predictions.map((each) => (
          <Row key={each.index} prediction={each} />
        ))}
      </ol>
      {request.value.weights === undefined && (
        <p class="larger small quiet">
          The embedded network knows ten classes.{" "}
          <button type="button" class="link" onClick={() => openDialog({ kind: "known" })}>
            Take a larger one
          </button>
        </p>
      )}
    </div>
  );
}

function Row({ prediction }: { readonly prediction: Prediction }) {
  const { index, probability } = prediction;
  const isMapped = index === mapClass.value;
  const isShown = isMapped && isMapShown.value && heat.value !== undefined;
  return (
    <li>
      <button type="button" class="class" aria-pressed={isShown} onClick={() => showClass(index)}>
        <span class="label">{nameOf(prediction)}</span>
        <Share of={prediction} />
        <Meter share={probability} tone={isMapped ? "strong" : undefined} />
      </button>
    </li>
  );
}

/** The element holds the exact number too. */
function Share({ of: { probability } }: { readonly of: Prediction }) {
  return (
    <data class="share figures" value={probability}>
      {percent(probability)}
    </data>
  );
}

/** A class without a name is called by its number. */
function nameOf({ label, index }: Prediction): string {
  return label === String(index) ? `class ${index}` : label;
}

/** Five bars to come. */
function Empty() {
  return (
    <div class="results empty" aria-hidden="true">
      <p class="best">
        <span class="line" />
      </p>
      <ol>
        {[84, 46, 30, 18, 10].map((width) => (
          <li key={width}>
            <span class="class">
              <span class="line" style={{ width: `${width}%` }} />
              <Meter share={0} />
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
