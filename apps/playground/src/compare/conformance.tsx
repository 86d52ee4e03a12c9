import { signal } from "@preact/signals";
import type { Level } from "@residual/conformance";
import { useEffect, useState } from "preact/hooks";
import { during, network } from "../app/state.ts";
import { Button, Card, Notice, Segmented } from "../design/components.tsx";
import type { Conformed } from "./bench.ts";
import { broken, type EngineName, engines } from "./engines.ts";
import { shareText } from "./figures.ts";
import { fault, inWorker } from "./state.ts";

type Scope = "kinds" | "network";

const chosenEngine = signal<EngineName>("wasm");
const scope = signal<Scope>("kinds");
const levels = signal<readonly Level[]>(["ops", "nodes", "models", "behaviour"]);
const isRunning = signal(false);

/** The levels that need no more than the page has, in their order; `images` needs pictures, `train` recorded runs. */
const allLevels: { readonly [Name in Exclude<Level, "images" | "train">]: string } = {
  ops: "Ops",
  nodes: "Layers",
  models: "Whole networks",
  behaviour: "Behaviour",
};

function toggleLevel(level: Level): void {
  const isOn = levels.value.includes(level);
  levels.value = isOn ? levels.value.filter((each) => each !== level) : [...levels.value, level];
}
const report = signal<(Conformed & { readonly name: EngineName }) | undefined>(undefined);

async function run(): Promise<void> {
  const engine = [...engines, broken].find(({ name }) => name === chosenEngine.value)!;
  const { name, backend } = engine;
  report.value = undefined;
  isRunning.value = true;
  const asked = {
    backend,
    fault: name === "broken" ? fault.value : undefined,
    levels: levels.value,
    model: scope.value === "network" ? network.value?.model : undefined,
  };
  const found = await during(`Checking ${name}`, (work) => inWorker((worker) => worker.call("conform", asked, work)));
  isRunning.value = false;
  report.value = found && { ...found, name };
}

/** `residual conform`, on this page. */
export function Conformance() {
  return (
    <Card level={2} title="Run the whole suite on one backend">
      <p class="quiet">
        The comparison above is one picture. <code>residual conform</code> checks a backend against PyTorch's own
        answers: every op with its special values, each layer alone, whole networks, and behaviour. It runs here too,
        and writes its report.
      </p>
      <div class="suite">
        <label class="field">
          <span class="quiet small">Backend</span>
          <select
            class="input"
            value={chosenEngine.value}
            disabled={isRunning.value}
            onChange={({ currentTarget }) => {
              chosenEngine.value = currentTarget.value as EngineName;
            }}
          >
            {[...engines, broken].map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Segmented<Scope>
          label="Networks"
          choices={[
            { value: "kinds", label: "One of each kind" },
            { value: "network", label: "This network" },
          ]}
          value={scope.value}
          isDisabled={isRunning.value}
          onChange={(value) => {
            scope.value = value;
          }}
        />
        <fieldset class="suite-levels" disabled={isRunning.value}>
          <legend class="aloud">Levels</legend>
          {Object.entries(allLevels).map(([level, title]) => (
            <label class="level" key={level}>
              <input
                type="checkbox"
                checked={levels.value.includes(level as Level)}
                onChange={() => toggleLevel(level as Level)}
              />
              {title}
            </label>
          ))}
        </fieldset>
        <Button look="primary" disabled={isRunning.value || levels.value.length === 0} onClick={() => void run()}>
          Run the suite
        </Button>
      </div>
      <p class="quiet small">
        About half a minute for WebAssembly on a laptop, with one network of each kind; longer on software GPUs.
      </p>
      {report.value && <Result report={report.value} />}
    </Card>
  );
}

function Result({ report: found }: { readonly report: Conformed & { readonly name: string } }) {
  const { name, passed, verdict, checks, failed, largestShare, html, json, junit } = found;
  const counts = failed > 0 ? `${failed} of ${checks} checks failed` : `${checks} checks passed`;
  return (
    <div class="suite-result">
      <Notice tone={passed ? "good" : "bad"}>
        <b>
          {name} {verdict}.
        </b>{" "}
        {counts}, the largest share of a bound is {shareText(largestShare)}.
      </Notice>
      <p class="suite-files">
        <File text={html} type="text/html" name="">
          Open the report
        </File>
        <File text={html} type="text/html" name="conformance.html">
          HTML
        </File>
        <File text={json} type="application/json" name="conformance.json">
          JSON
        </File>
        <File text={junit} type="application/xml" name="junit.xml">
          JUnit XML
        </File>
      </p>
    </div>
  );
}

interface FileProps {
  readonly text: string;
  readonly type: string;
  /** The name of a download; empty: it is opened. */
  readonly name: string;
  readonly children: string;
}

function File({ text, type, name, children }: FileProps) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([text], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [text, type]);
  const way = name === "" ? { target: "_blank", rel: "noreferrer" } : { download: name };
  return (
    <a class={name === "" ? "button" : "button plain"} href={url} {...way}>
      {children}
    </a>
  );
}
