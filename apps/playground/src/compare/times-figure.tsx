import { milliseconds } from "../app/format.ts";
import { Caption, Card } from "../design/components.tsx";
import type { Measured } from "./bench.ts";
import type { EngineName } from "./engines.ts";
import { median } from "./figures.ts";
import { rows } from "./state.ts";
import { useWidth } from "./use-width.ts";

const [ROW, BOTTOM, LEFT, RIGHT] = [40, 26, 96, 16];

interface Line {
  readonly name: EngineName;
  readonly measured: Measured;
}

/** Every run of every backend as a dot, on an axis of decades. The table above has the medians. */
export function TimesFigure() {
  const lines = rows.value.flatMap(({ engine, measured }): Line[] =>
    measured ? [{ name: engine.name, measured }] : [],
  );
  const [figure, width] = useWidth<HTMLElement>(620);
  return (
    <Card level={2} title="The time of each run">
      <figure ref={figure}>
        <Plot lines={lines} width={width} />
        <Caption>A dot is a run, the bar their median, the ring the first run, which may compile on the way.</Caption>
      </figure>
    </Card>
  );
}

function Plot({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }) {
  const all = lines.flatMap(({ measured: { firstMs, runsMs } }) => [firstMs, ...runsMs]).map((ms) => Math.log10(ms));
  const [least, most] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all) + 1e-9)];
  const placeOf = (ms: number) => LEFT + ((Math.log10(ms) - least) / (most - least)) * (width - LEFT - RIGHT);
  const height = lines.length * ROW + BOTTOM;
  const ticks = Array.from({ length: most - least + 1 }, (_, i) => 10 ** (least + i));
  return (
    <svg class="plot" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {ticks.map((ms) => (
        <g key={ms}>
          <line class="plot-grid" x1={placeOf(ms)} x2={placeOf(ms)} y1={0} y2={height - BOTTOM} />
          <text x={placeOf(ms)} y={height - 8} text-anchor="middle">
            {tickText(ms)}
          </text>
        </g>
      ))}
      {lines.map(({ name, measured: { firstMs, runsMs } }, at) => {
        const y = at * ROW + ROW / 2;
        const middle = placeOf(median(runsMs));
        return (
          <g key={name} class={`plot-times of-${name}`}>
            <text x={LEFT - 12} y={y + 4} text-anchor="end">
              {name}
            </text>
            <line class="plot-grid" x1={LEFT} x2={width - RIGHT} y1={y} y2={y} />
            <circle class="first" cx={placeOf(firstMs)} cy={y} r="5" />
            {runsMs.map((ms, run) => (
              // runs have no other identity than their place
              <circle key={String(run)} class="run" cx={placeOf(ms)} cy={y} r="3.4" />
            ))}
            <line class="median" x1={middle} x2={middle} y1={y - 11} y2={y + 11} />
          </g>
        );
      })}
    </svg>
  );
}

const tickText = (ms: number): string => (ms < 1 ? `${ms} ms` : milliseconds(ms).replace(/\.0+ /, " "));
