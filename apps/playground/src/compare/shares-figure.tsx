import { Caption, Card } from "../design/components.tsx";
import type { Verdict } from "./bench.ts";
import type { EngineName } from "./engines.ts";
import { shareText, stagesOf } from "./figures.ts";
import { Scroller } from "./scroller.tsx";
import { rows } from "./state.ts";
import { useWidth } from "./use-width.ts";

interface Line {
  readonly name: EngineName;
  readonly verdict: Verdict;
}

/** Decades of the axis: from a hundredth of a thousandth of the bound to ten thousand times it. */
const [LEAST, MOST] = [-4, 1];
const [HEIGHT, TOP, BOTTOM, LEFT, RIGHT] = [260, 14, 26, 46, 8];

/** The share of each layer on each backend: agreement is everything below one line. */
export function SharesFigure() {
  const lines = rows.value.flatMap(({ engine, verdict }): Line[] => (verdict ? [{ name: engine.name, verdict }] : []));
  const [figure, width] = useWidth<HTMLElement>(620);
  return (
    <Card level={2} title="The error of each layer">
      <figure ref={figure}>
        <Plot lines={lines} width={width} />
        <Caption>
          Each layer ran alone on the exact inputs, so errors do not add up. A dot is its largest error as a share of
          its bound; exact layers lie at the foot.
        </Caption>
      </figure>
      <Legend names={lines.map(({ name }) => name)} />
      <SharesTable lines={lines} />
    </Card>
  );
}

/** Height of a share, from the top; beyond the axis it lies at its edge. */
function heightOf(share: number): number {
  const decade = share === 0 ? LEAST : Math.min(Math.max(Math.log10(share), LEAST), MOST);
  return TOP + ((MOST - decade) / (MOST - LEAST)) * (HEIGHT - TOP - BOTTOM);
}

function Plot({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }) {
  const names = lines[0]?.verdict.checks.map(({ name }) => name) ?? [];
  const [left, right] = [LEFT, width - RIGHT];
  const placeOf = (at: number) => left + ((at + 0.5) / Math.max(names.length, 1)) * (right - left);
  const bound = heightOf(1);
  return (
    <svg class="plot" width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} aria-hidden="true">
      <rect class="plot-over" x={left} y={TOP} width={right - left} height={bound - TOP} />
      {[1, 0.1, 0.01, 0.001].map((share) => (
        <g key={share}>
          <line
            class={share === 1 ? "plot-bound" : "plot-grid"}
            x1={left}
            x2={right}
            y1={heightOf(share)}
            y2={heightOf(share)}
          />
          <text x={left - 8} y={heightOf(share) + 4} text-anchor="end">
            {share === 1 ? "bound" : share}
          </text>
        </g>
      ))}
      {stagesOf(names).map(({ name, at }, i, all) => (
        <g key={name}>
          <line class="plot-grid" x1={placeOf(at - 0.5)} x2={placeOf(at - 0.5)} y1={TOP} y2={HEIGHT - BOTTOM} />
          {placeOf(all[i + 1]?.at ?? names.length) - placeOf(at) > 44 && (
            <text x={placeOf(at - 0.5) + 4} y={HEIGHT - 8}>
              {name}
            </text>
          )}
        </g>
      ))}
      {lines.toReversed().map(({ name, verdict }) => (
        <g key={name} class={`plot-line of-${name}`}>
          <path d={pathOf(verdict, placeOf)} />
          {verdict.checks.map((check, at) => (
            <circle key={check.name} cx={placeOf(at)} cy={heightOf(check.share ?? 0)} r={check.passed ? 2.6 : 4} />
          ))}
        </g>
      ))}
    </svg>
  );
}

/** A line through the shares; exact layers interrupt it. */
function pathOf({ checks }: Verdict, placeOf: (at: number) => number): string {
  const shareAt = (at: number) => checks[at]?.share ?? 0;
  return checks
    .map((_, at) =>
      shareAt(at) > 0 ? `${shareAt(at - 1) > 0 ? "L" : "M"}${placeOf(at)} ${heightOf(shareAt(at))}` : "",
    )
    .join("");
}

function Legend({ names }: { readonly names: readonly EngineName[] }) {
  return (
    <ul class="legend" aria-hidden="true">
      {names.map((name) => (
        <li key={name} class={`of-${name}`}>
          {name}
        </li>
      ))}
    </ul>
  );
}

function SharesTable({ lines }: { readonly lines: readonly Line[] }) {
  const checks = lines[0]?.verdict.checks ?? [];
  return (
    <details class="data">
      <summary>All layers as a table</summary>
      <Scroller look="data-scroll" label="Shares of all layers">
        <table>
          <thead>
            <tr>
              <th scope="col">Layer</th>
              {lines.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {checks.map(({ name, op }, at) => (
              <tr key={name}>
                <th scope="row">
                  {name} <span class="quiet">{op}</span>
                </th>
                {lines.map((line) => {
                  const { share = 0, passed = true } = line.verdict.checks[at] ?? {};
                  return (
                    <td key={line.name} class={passed ? "figures" : "figures bad"} data-share={share}>
                      {shareText(share)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </details>
  );
}
