import { Card, Meter } from "../design/components.tsx";
import { hasMaps } from "./facts.ts";
import { How } from "./how.tsx";
import { nameOf } from "./map-grid.tsx";
import { type ExplainedNumber, facts, maps, selectNumber } from "./state.ts";
import { float32Words, float64Words, numberWords, opWords, percentWords } from "./words.ts";

/** One number: how it is made, and whether the backend's is right. */
export function NumberCard({ value }: { readonly value: ExplainedNumber }) {
  const { channel, row, column, steps } = value;
  return (
    <Card title={`${numberWords(value.found)}, ${whereWords(value)}`}>
      {steps.length > 1 && (
        <ol class="inside-steps" aria-label="The number's way">
          {steps.map((step) => (
            <li key={step.name}>
              <button
                type="button"
                class="inside-step"
                aria-current={step.name === value.name ? "step" : undefined}
                onClick={() => selectNumber(step.name, { channel, row, column })}
              >
                <span class="quiet small">{opWords(step)}</span>
                <b class="figures">{numberWords(step.value)}</b>
              </button>
            </li>
          ))}
        </ol>
      )}
      <How value={value} />
      <Check value={value} />
    </Card>
  );
}

function whereWords({ name, channel, row, column }: ExplainedNumber): string {
  if (hasMaps(facts.value.get(name)!)) return `at row ${row}, column ${column} of map ${channel}`;
  const label = nameOf(maps.value!, channel);
  return label === `${channel}` ? `number ${channel} of ${name}` : `for ${label}`;
}

/** The backend's number beside the exact one. */
function Check({ value: { found, exact, bound } }: { readonly value: ExplainedNumber }) {
  const difference = Math.abs(found - exact);
  return (
    <div class="inside-check">
      <dl class="inside-ledger figures">
        <div>
          <dt>Computed in float64</dt>
          <dd data-exact={exact}>{float64Words(exact)}</dd>
        </div>
        <div>
          <dt>The backend, in float32</dt>
          <dd data-found={found}>{float32Words(found)}</dd>
        </div>
        <div>
          <dt>Difference</dt>
          <dd data-difference={difference}>{numberWords(difference)}</dd>
        </div>
        {bound !== undefined && (
          <div>
            <dt>Largest that rounding allows</dt>
            <dd data-bound={bound}>{numberWords(bound)}</dd>
          </div>
        )}
      </dl>
      {bound === undefined ? (
        <p class="small quiet">Connect to the network to see how large a difference rounding allows.</p>
      ) : (
        <Verdict difference={difference} bound={bound} />
      )}
    </div>
  );
}

function Verdict({ difference, bound }: { readonly difference: number; readonly bound: number }) {
  const share = difference === 0 ? 0 : difference / bound;
  const isRight = share <= 1;
  return (
    <div class="inside-verdict">
      <Meter share={share} tone={isRight ? "good" : "bad"} />
      <p class="small">{isRight ? verdictOf(share, bound) : "This number is wrong: rounding does not explain it."}</p>
    </div>
  );
}

function verdictOf(share: number, bound: number): string {
  if (bound === 0) return "This step does not round: the numbers are equal.";
  return `The difference is ${percentWords(share)} of what float32's rounding may cause.`;
}
