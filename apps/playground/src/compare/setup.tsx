import { useEffect, useState } from "preact/hooks";
import { bytes } from "../app/format.ts";
import { network, picture, task } from "../app/state.ts";
import { Button, Card, Segmented } from "../design/components.tsx";
import { broken, type Engine, engines } from "./engines.ts";
import { type FaultName, faults } from "./faults.ts";
import { chosen, compare, fault, isRunning, runs, toggle } from "./state.ts";

export function Setup() {
  const count = chosen.value.size;
  return (
    <Card level={2} title="What to compare">
      <div class="compare-given">
        <Thumbnail />
        <p>
          <b>{network.value?.model ?? "The network"}</b> on <b>{picture.value?.name ?? "a sample photo"}</b>
          <br />
          <span class="quiet small">Change the network above, the picture in Classify.</span>
        </p>
      </div>
      <fieldset class="engines" disabled={isRunning.value}>
        <legend class="aloud">Backends</legend>
        {engines.map((engine) => (
          <EngineChoice key={engine.name} engine={engine} />
        ))}
        <BrokenChoice />
      </fieldset>
      <div class="compare-go">
        <div class="compare-runs">
          <span class="quiet small">Timed runs</span>
          <Segmented
            label="Timed runs"
            choices={["5", "20", "50"].map((value) => ({ value, label: value }))}
            value={String(runs.value)}
            isDisabled={isRunning.value}
            onChange={(value) => {
              runs.value = Number(value);
            }}
          />
        </div>
        {isRunning.value ? (
          <Button icon="stop" onClick={() => task.value?.cancel()}>
            Stop
          </Button>
        ) : (
          <Button look="primary" disabled={count === 0} onClick={() => void compare()}>
            {count === 1 ? "Run 1 backend" : `Compare ${count} backends`}
          </Button>
        )}
      </div>
    </Card>
  );
}

function Thumbnail() {
  const file = picture.value?.file;
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!file) return;
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return url ? <img src={url} alt="" width="56" height="56" /> : <span class="no-picture" />;
}

function EngineChoice({ engine }: { readonly engine: Engine }) {
  const { name, words, runsOn, bytes: size } = engine;
  return (
    <label class={`engine of-${name}`}>
      <input type="checkbox" checked={chosen.value.has(name)} onChange={() => toggle(name)} />
      <span class="engine-name">{name}</span>
      <span class="engine-about">{words}</span>
      <span class="engine-facts figures">
        {runsOn} · {bytes(size)}
      </span>
    </label>
  );
}

function BrokenChoice() {
  const { name } = broken;
  return (
    <div class="engine of-broken">
      <label>
        <input type="checkbox" checked={chosen.value.has(name)} onChange={() => toggle(name)} />
        <span class="engine-name">Break one on purpose</span>
      </label>
      <select
        class="input"
        aria-label="The fault that is planted"
        value={fault.value}
        onChange={({ currentTarget }) => {
          fault.value = currentTarget.value as FaultName;
        }}
      >
        {Object.entries(faults).map(([key, { title }]) => (
          <option key={key} value={key}>
            {title}
          </option>
        ))}
      </select>
      <span class="engine-about">{faults[fault.value].story}</span>
    </div>
  );
}
