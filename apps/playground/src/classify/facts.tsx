import type { Preprocessing } from "@residual/core";
import { milliseconds } from "../app/format.ts";
import { network } from "../app/state.ts";
import type { Loaded, Times } from "../engine/session.ts";
import { framesPerSecond } from "./camera.ts";
import { seen } from "./state.ts";

/** How the answer came about: the time of each step, the backend and why it was chosen, the preprocessing in words. */
export function Facts() {
  const loaded = network.value;
  const times = seen.value?.times;
  if (!loaded) return null;
  return (
    <dl class="facts small">
      {times && <TimeFact times={times} />}
      {framesPerSecond.value !== undefined && (
        <Fact name="Speed">
          <span class="figures">{framesPerSecond.value.toFixed(0)} fps</span>, decoded, classified and mapped
        </Fact>
      )}
      <Fact name="Backend">{backendWords(loaded)}</Fact>
      <Fact name="Input">{inputWords(loaded.preprocessing)}</Fact>
      {loaded.notes.map((note) => (
        <Fact key={note} name="Note">
          {note}
        </Fact>
      ))}
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function TimeFact({ times: { decode, preprocess, run } }: { readonly times: Times }) {
  const steps = [
    { name: "decode", ms: decode },
    { name: "preprocess", ms: preprocess },
    { name: "run", ms: run },
  ];
  return (
    <Fact name="Time">
      <span class="times" aria-hidden="true">
        {steps.map(({ name, ms }) => (
          <span key={name} style={{ flexGrow: ms }} />
        ))}
      </span>
      <span class="steps">
        {steps.map(({ name, ms }) => (
          <span key={name}>
            {name} <b>{milliseconds(ms)}</b>
          </span>
        ))}
      </span>
    </Fact>
  );
}

function backendWords({ backend: { library, version, device, reason } }: Loaded): string {
  return `${library} ${version} on ${device}. Why this one: ${reason}.`;
}

/** Three numbers, one where they are equal. */
const numbers = (values: readonly number[]): string => [...new Set(values)].join(", ");

function inputWords({ resize, crop, interpolation, scale, mean, std, channels, upright }: Preprocessing): string {
  const steps = [
    upright && "turn the photo as its EXIF data says",
    `resize the shorter side to ${resize} pixels (${interpolation})`,
    `cut ${crop} × ${crop} from the middle`,
    scale !== 1 && `divide by ${scale}`,
    `subtract ${numbers(mean)}`,
    `divide by ${numbers(std)}`,
    channels === "bgr" && "order the channels blue, green, red",
  ].filter(Boolean);
  const text = `${steps.slice(0, -1).join(", ")} and ${steps.at(-1)}.`;
  return text[0]!.toUpperCase() + text.slice(1);
}
