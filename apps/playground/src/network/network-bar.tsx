import { network, request } from "../app/state.ts";
import { Button } from "../design/components.tsx";
import { openDialog } from "./dialog-state.ts";

/** The network that answers: its model, its weights, and the backend that runs it. */
export function NetworkBar() {
  const loaded = network.value;
  return (
    <section class="network" aria-label="Network">
      {loaded ? (
        <dl>
          <Fact name="Model" value={loaded.model} />
          <Fact name="Weights" value={`${shortName(loaded.weights)}, ${loaded.classes} classes`} />
          <Fact
            name="Backend"
            value={loaded.backend.name}
            more={request.value.backend === "auto" ? "chosen by auto" : undefined}
          />
        </dl>
      ) : (
        <p class="quiet">No network is loaded yet.</p>
      )}
      <Button size="compact" onClick={() => openDialog()}>
        Change
      </Button>
    </section>
  );
}

interface FactProps {
  readonly name: string;
  readonly value: string;
  readonly more?: string | undefined;
}

function Fact({ name, value, more }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd title={value}>
        {value}
        {more && <span class="quiet">, {more}</span>}
      </dd>
    </div>
  );
}

/** A file's name without its folders. */
const shortName = (weights: string): string => weights.replace(/^.*[\\/](?=[^\\/]+\.\w+$)/, "");
