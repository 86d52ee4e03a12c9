import { percent } from "../app/format.ts";
import { isCameraAsked, network, task } from "../app/state.ts";
import { Button, Caption, Card } from "../design/components.tsx";
import { Icon } from "../design/icon.tsx";
import { HEAD } from "../learning/head.ts";
import { type Outcome, outcome, shortfall, train, underWay } from "./state.ts";

/** The button that trains, what is missing before it can, and what came of it. */
export function Training() {
  const isBusy = task.value !== undefined;
  const missing = shortfall.value;
  const found = outcome.value;
  return (
    <Card title="Training" level={2}>
      <div class="train-training">
        <ul class="train-missing" aria-label="What is missing" aria-live="polite">
          {missing.map((sentence) => (
            <li key={sentence}>
              <Icon name="info" /> {sentence}
            </li>
          ))}
        </ul>
        <div>
          <Button
            look={found ? undefined : "primary"}
            disabled={isBusy || missing.length > 0 || !network.value}
            onClick={() => void train()}
          >
            {found ? "Train again" : "Train"}
          </Button>
        </div>
        {underWay.value && <Course accuracies={underWay.value.accuracies} />}
        {found && !underWay.value && <Result of={found} />}
      </div>
    </Card>
  );
}

/** The accuracy, pass by pass. */
function Course({ accuracies }: { readonly accuracies: readonly number[] }) {
  const points = accuracies.map((accuracy, i) => `${(100 * i) / (HEAD.epochs - 1)},${39 - 38 * accuracy}`);
  const last = accuracies.at(-1);
  return (
    <figure class="train-course">
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="Accuracy, pass by pass">
        <polyline points={points.join(" ")} />
      </svg>
      <Caption>
        {last === undefined
          ? "The frozen layers look at each picture once"
          : `${percent(last)} of the pictures kept aside`}
      </Caption>
    </figure>
  );
}

function Result({ of }: { readonly of: Outcome }) {
  const { judged, accuracy, learnt, seconds, backend, unreadable, pictures, url } = of;
  const right = Math.round(accuracy * judged.length);
  return (
    <>
      <p class="train-accuracy" role="status">
        <b class="figures">{percent(accuracy)}</b>{" "}
        <span>
          {right} of {judged.length} pictures that were kept aside are recognised
        </span>
      </p>
      <p class="small quiet">
        Learnt from {learnt} pictures in {seconds.toFixed(1)} s on {backend}. Pictures of one recording resemble one
        another: for an honest figure, record again elsewhere.
      </p>
      {unreadable.length > 0 && (
        <p class="small">
          Left out, for they could not be read: {unreadable.map((id) => pictures.get(id)?.name).join(", ")}.
        </p>
      )}
      <div class="train-ways">
        <Button
          look="primary"
          icon="camera"
          onClick={() => {
            location.hash = "#classify";
            isCameraAsked.value = true;
          }}
        >
          Try it with the camera
        </Button>
        <a class="button" href={url} download="best.safetensors">
          <Icon name="download" /> best.safetensors
        </a>
      </div>
      <p class="small quiet">
        Classify uses it from now on. In a terminal:{" "}
        <code>
          residual classify photo.jpg <span>--weights best.safetensors</span>
        </code>
      </p>
    </>
  );
}
