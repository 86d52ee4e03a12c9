import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useClassifier } from "./use-classifier.ts";

function Classifier({ where }: { readonly where: "worker" | "page" }) {
  const { isReady, progress, isClassifying, predictions, error, classify, cancel } = useClassifier(where);
  return (
    <section aria-busy={!isReady || isClassifying}>
      {!isReady && !error && <progress aria-label="Loading the model" value={progress} />}
      <label>
        Picture{" "}
        <input
          type="file"
          accept="image/*"
          onChange={({ target }) => target.files?.[0] && void classify(target.files[0])}
        />
      </label>{" "}
      <button type="button" disabled={!isClassifying} onClick={cancel}>
        Cancel
      </button>
      {error && (
        <p role="alert">
          {error.name}: {error.message}
        </p>
      )}
      <ol aria-label="Classes">
        {predictions?.map(({ index, label, probability }) => (
          <li key={index}>
            {label ?? index} {(probability * 100).toFixed(1)} %
          </li>
        ))}
      </ol>
    </section>
  );
}

/** "nowhere" unmounts the component, which frees the model. */
const places = { worker: "in a worker", page: "on the page", nowhere: "nowhere" };

function Page() {
  const [where, setWhere] = useState<keyof typeof places>("worker");
  return (
    <>
      <p>
        The model runs{" "}
        {Object.entries(places).map(([place, words]) => (
          <button
            key={place}
            type="button"
            aria-pressed={where === place}
            onClick={() => setWhere(place as keyof typeof places)}
          >
            {words}
          </button>
        ))}
      </p>
      {where !== "nowhere" && <Classifier where={where} />}
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
