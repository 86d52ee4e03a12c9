import { useEffect, useRef } from "preact/hooks";
import { theme } from "../app/theme.ts";
import { Notice } from "../design/components.tsx";
import type { Verdict } from "./bench.ts";
import { faults } from "./faults.ts";
import { digits, faultOf, shareText, stepOf, steps } from "./figures.ts";
import { Scroller } from "./scroller.tsx";
import { fault, right, rows, shown } from "./state.ts";

/** The network's picture with the shares of one backend, and the first layer that is wrong on it, lit. */
export function Where() {
  const held = rows.value.flatMap(({ engine, verdict }) => (verdict ? [{ name: engine.name, verdict }] : []));
  const differing = held.filter(({ verdict }) => faultOf(verdict) !== undefined);
  const current = held.find(({ name }) => name === shown.value) ?? differing[0] ?? held[0]!;
  const wrong = faultOf(current.verdict);
  return (
    <section class="card where" id="where" aria-labelledby="where-title">
      <div class="where-head">
        <h2 id="where-title">{wrong ? `Where ${current.name} differs` : "Where they differ: nowhere"}</h2>
        <label class="where-choice small">
          <span class="quiet">Shown</span>
          <select
            class="input"
            value={current.name}
            onChange={({ currentTarget }) => {
              shown.value = held.find(({ name }) => name === currentTarget.value)?.name;
            }}
          >
            {held.map(({ name, verdict }) => (
              <option key={name} value={name}>
                {name}
                {faultOf(verdict) === undefined ? "" : " (differs)"}
              </option>
            ))}
          </select>
        </label>
      </div>
      {wrong && current.name === "broken" && (
        <Notice>
          The fault that was planted is found. {faults[fault.value].title}: {faults[fault.value].story}
        </Notice>
      )}
      {wrong ? (
        <Wrong verdict={current.verdict} />
      ) : (
        <Agreed count={held.length} differing={differing.length} name={current.name} />
      )}
      <Drawing verdict={current.verdict} lit={wrong} />
      <Key />
    </section>
  );
}

interface AgreedProps {
  readonly name: string;
  readonly count: number;
  readonly differing: number;
}

function Agreed({ name, count, differing }: AgreedProps) {
  const who = differing > 0 || count === 1 ? name : count === 2 ? "both backends" : `all ${count} backends`;
  return <Notice tone="good">Every number of every layer is within its bound on {who}.</Notice>;
}

function Wrong({ verdict: { bisection } }: { readonly verdict: Verdict }) {
  const [first, ...others] = bisection.wrongNodes;
  const value = bisection.firstWrongValue;
  if (!first)
    return (
      <p>
        Each layer alone is within its bound, but in the whole network <b>{value?.name}</b> is wrong, by{" "}
        {value?.error.toExponential(1)} of its largest number. The fault lies in what joins the layers before it.
      </p>
    );
  const { worst, share = Number.POSITIVE_INFINITY, what, message } = first;
  return (
    <>
      <p>
        The first layer that is wrong is <b>{first.name}</b>, run alone on the exact inputs.
        {others.length > 0 && ` ${others.length} more ${others.length === 1 ? "is" : "are"} wrong too.`}{" "}
        {value && value.name !== first.name && `In the whole network the first wrong value is ${value.name}.`}
      </p>
      {worst ? (
        <dl class="element">
          <Fact name="element" value={`[${worst.index.join(", ")}]`} />
          <Fact name="expected" value={digits(worst.expected)} />
          <Fact name="found" value={digits(worst.found)} isBad />
          <Fact name="bound" value={worst.bound.toPrecision(3)} />
          <Fact name="error" value={`${shareText(share)} × bound`} isBad />
        </dl>
      ) : (
        <p class="bad">{message}</p>
      )}
      <details class="data">
        <summary>The computation</summary>
        <code>{what}</code>
      </details>
    </>
  );
}

interface FactProps {
  readonly name: string;
  readonly value: string;
  readonly isBad?: boolean;
}

function Fact({ name, value, isBad = false }: FactProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={isBad ? "figures bad" : "figures"}>{value}</dd>
    </div>
  );
}

/** In a shadow root, since the drawing has names of its own for its colours. */
const drawingStyle = `
  svg { display: block; max-width: none; }
  .background { fill: none; }
  [data-nodes] > :is(rect, circle) { fill: color-mix(in oklab, var(--tint) 65%, var(--raised)); }
  [data-nodes] .muted { fill: var(--ink); }
  ${steps.map((_, i) => `.s${i} { --tint: var(--share-${i}); }`).join(" ")}
  .over { --tint: var(--bad-soft); }
  .over > :is(rect, circle) { stroke: var(--bad); }
  .lit > :is(rect, circle) { stroke: var(--bad); stroke-width: 3; filter: drop-shadow(0 0 6px var(--bad)); }
`;

interface DrawingProps {
  readonly verdict: Verdict;
  readonly lit: string | undefined;
}

function Drawing({ verdict, lit }: DrawingProps) {
  const frame = useRef<HTMLElement>(null);
  const { light, dark } = right.value!.drawings;
  const isDark =
    theme.value === "dark" || (theme.value === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  const drawing = isDark ? dark : light;
  useEffect(() => {
    const host = frame.current!.querySelector("div")!;
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    root.innerHTML = `<style>${drawingStyle}</style>${drawing}`;
    const shares = new Map(verdict.checks.map(({ name, share = 0 }) => [name, share]));
    for (const box of root.querySelectorAll<SVGGElement>("[data-nodes]")) {
      const names = box.dataset.nodes!.split(" ");
      const share = Math.max(...names.map((name) => shares.get(name) ?? 0));
      box.classList.add(stepOf(share));
      if (lit === undefined || !names.includes(lit)) continue;
      box.classList.add("lit");
      scrollTo(frame.current!, box);
    }
  }, [verdict, lit, drawing]);
  return (
    <Scroller look="drawing" frame={frame} label="The network">
      <div />
    </Scroller>
  );
}

/** Only the frame is scrolled, not the page. */
function scrollTo(frame: HTMLElement, box: Element): void {
  const [outer, inner] = [frame.getBoundingClientRect(), box.getBoundingClientRect()];
  frame.scrollBy({
    left: inner.left - outer.left - (outer.width - inner.width) / 2,
    top: inner.top - outer.top - (outer.height - inner.height) / 2,
  });
}

function Key() {
  return (
    <p class="share-key small quiet">
      <span>Share of its bound:</span>
      {steps.map((limit, i) => (
        <span key={limit}>
          <i class={`s${i}`} /> {i === 0 ? "up to " : ""}
          {limit}
        </span>
      ))}
      <span>
        <i class="over" /> wrong
      </span>
    </p>
  );
}
