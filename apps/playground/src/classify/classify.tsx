import { signal } from "@preact/signals";
import { during, engine, network, picture } from "../app/state.ts";
import type { Seen } from "../engine/session.ts";

const seen = signal<Seen | undefined>(undefined);

async function classify(file: File): Promise<void> {
  picture.value = { name: file.name, file };
  seen.value = await during("Classifying", (work) =>
    engine.call("classify", { picture: file, top: 5, cam: true }, work),
  );
}

export function Classify() {
  return (
    <section aria-label="Classify a picture">
      <input
        type="file"
        accept="image/*"
        aria-label="Picture"
        onChange={(event) => void classify(event.currentTarget.files![0]!)}
      />
      <ol>
        {seen.value?.predictions.map(({ index, label, probability }) => (
          <li>
            {label ?? `class ${index}`} {(100 * probability).toFixed(1)} %
          </li>
        ))}
      </ol>
      <p>{network.value && `${network.value.model} on ${network.value.backend.name}`}</p>
    </section>
  );
}
