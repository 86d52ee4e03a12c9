import type { ComponentChildren } from "preact";
import { milliseconds, percent } from "../app/format.ts";
import { Card, Meter } from "../design/components.tsx";
import { Icon } from "../design/icon.tsx";
import type { Measured, Verdict } from "./bench.ts";
import { faultOf, median, shareText, stepOf } from "./figures.ts";
import { memoryText } from "./memory-text.ts";
import { isRunning, type Row, right, rows, runs, shown } from "./state.ts";

/** The table that the room is about. On a phone each row is a card. */
export function Results() {
  const columns = ["Backend", "Answer", "Within its bound", "Load", "First run", `Median of ${runs.value}`, "Memory"];
  return (
    <Card level={2} title="Results">
      <Summary />
      <table class="results">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <RightRow />
          {rows.value.map((row) => (
            <BackendRow key={row.engine.name} row={row} />
          ))}
        </tbody>
      </table>
      <p class="caption">
        A share is the largest error of any number of any layer, divided by the largest error that float32's rounding
        can cause there, in any order of the sums. Up to 1 is right. Load is from nothing to ready, with the code, the
        weights and compiling.
      </p>
    </Card>
  );
}

/** The outcome in a sentence, read aloud when it changes. */
function Summary() {
  const held = rows.value.filter(({ verdict }) => verdict);
  const wrong = held.filter(({ verdict }) => faultOf(verdict!) !== undefined).map(({ engine }) => engine.name);
  const missing = rows.value.filter(({ state }) => state === "failed").length;
  const words =
    wrong.length > 0 ? `${listed.format(wrong)} ${wrong.length === 1 ? "differs" : "differ"}` : agreed(held.length);
  const rest = missing > 0 ? `; ${missing} did not run` : "";
  const isOver = !isRunning.value && held.length > 0;
  return (
    <p class={`outcome ${wrong.length > 0 ? "bad" : "good"}`} role="status">
      {isOver && `${words}${rest}.`}
    </p>
  );
}

const listed = new Intl.ListFormat("en");

const agreed = (count: number): string =>
  count === 1 ? "Every number is within its bound" : `All ${count} backends agree, each number within its bound`;

function Cell({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <td class="figures" data-column={name}>
      <div>{children}</div>
    </td>
  );
}

/** What all others are held against. */
function RightRow() {
  const [best] = right.value?.predictions ?? [];
  return (
    <tr class="right">
      <th scope="row">
        <span class="engine-name">exact</span>
        <span class="quiet small">the reference, in float64</span>
      </th>
      <Cell name="Answer">{best ? <Answer {...best} /> : <span class="quiet">is computed …</span>}</Cell>
      <td colspan={5} class="quiet small">
        {right.value && `${right.value.layers} layers of ${right.value.model}, worked out once`}
      </td>
    </tr>
  );
}

function Answer({ label, probability }: { readonly label: string; readonly probability: number }) {
  return (
    <>
      {label} <span class="quiet">{percent(probability)}</span>
    </>
  );
}

function BackendRow({ row }: { readonly row: Row }) {
  const { engine, measured, state } = row;
  return (
    <tr class={`of-${engine.name} ${state}`}>
      <th scope="row">
        <span class="engine-name">{engine.name}</span>
        <span class="quiet small engine-device" title={measured?.device}>
          {measured ? `${measured.library}, ${measured.device}` : engine.words}
        </span>
      </th>
      {measured ? <Figures row={row} measured={measured} /> : <Without row={row} />}
    </tr>
  );
}

const slowest = (): number => Math.max(...rows.value.map(({ measured }) => (measured ? median(measured.runsMs) : 0)));

function Figures({ row, measured }: { readonly row: Row; readonly measured: Measured }) {
  const { figure, about } = memoryText(row.engine, measured);
  const middle = median(measured.runsMs);
  const few = measured.runsMs.length < runs.value;
  return (
    <>
      <Cell name="Answer">{measured.predictions[0] && <Answer {...measured.predictions[0]} />}</Cell>
      <Cell name="Within its bound">
        {row.verdict ? <Agreement row={row} verdict={row.verdict} /> : <Pending row={row} />}
      </Cell>
      <Cell name="Load">{milliseconds(measured.loadMs)}</Cell>
      <Cell name="First run">{milliseconds(measured.firstMs)}</Cell>
      <Cell name={`Median of ${measured.runsMs.length}`}>
        <span class="median">
          {milliseconds(middle)}
          {few && <span class="quiet small"> of {measured.runsMs.length}</span>}
        </span>
        <Meter share={middle / slowest()} />
      </Cell>
      <Cell name="Memory">
        {figure}
        <span class="quiet small memory-about">{about}</span>
      </Cell>
    </>
  );
}

function Agreement({ row, verdict }: { readonly row: Row; readonly verdict: Verdict }) {
  const { share, checks } = verdict;
  const wrong = faultOf(verdict);
  return (
    <div class="agreement">
      <span class={wrong ? "bad" : "good"}>
        <Icon name={wrong ? "alert" : "check"} size={18} />
        <b>{shareText(share)}</b> <span class="quiet small">{wrong ? "times its bound" : "of its bound"}</span>
      </span>
      <span class="strip" aria-hidden="true">
        {checks.map((check) => (
          <i
            key={check.name}
            class={stepOf(check.share ?? 0)}
            title={`${check.name}: ${shareText(check.share ?? 0)}`}
          />
        ))}
      </span>
      {wrong && (
        <button
          type="button"
          class="link small"
          onClick={() => {
            shown.value = row.engine.name;
            showWhere();
          }}
        >
          differs at {wrong}
        </button>
      )}
    </div>
  );
}

function showWhere(): void {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById("where")?.scrollIntoView({ behavior: isCalm ? "instant" : "smooth" });
}

function Pending({ row }: { readonly row: Row }) {
  if (row.problem) return <span class="bad small">{row.problem.message}</span>;
  return <span class="quiet">{row.state === "cancelled" ? "stopped" : `${row.stage ?? "waits"} …`}</span>;
}

/** A row without figures: why. */
function Without({ row }: { readonly row: Row }) {
  return (
    <td colspan={6} class={row.problem ? "why" : "why quiet"}>
      {row.problem && <Icon name="info" size={18} />}
      <Pending row={row} />
    </td>
  );
}
