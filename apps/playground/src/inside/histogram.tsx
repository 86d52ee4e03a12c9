import { barColour } from "./colours.ts";
import { Fact } from "./connection.tsx";
import { palette } from "./state.ts";
import type { Statistics } from "./statistics.ts";
import { numberWords, percentWords } from "./words.ts";

const HEIGHT = 56;

/** The numbers' distribution, in their own colours, with the figures that sum it up. */
export function Histogram({ statistics, label }: { readonly statistics: Statistics; readonly label: string }) {
  const { min, max, mean, zeros, histogram } = statistics;
  const most = Math.max(...histogram, 1);
  const largest = Math.max(Math.abs(min), Math.abs(max));
  const step = 100 / histogram.length;
  const middleOf = (bin: number) => min + ((bin + 0.5) * (max - min)) / histogram.length;
  return (
    <div class="inside-histogram">
      <figure>
        <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${label}: a histogram`}>
          {histogram.map((count, bin) => {
            const height = (HEIGHT * Math.sqrt(count)) / Math.sqrt(most);
            return (
              <rect
                key={bin}
                x={bin * step + 0.2}
                width={step - 0.4}
                y={HEIGHT - height}
                height={height}
                fill={barColour(middleOf(bin), largest, palette.value)}
              />
            );
          })}
        </svg>
        <figcaption class="figures">
          <span>{numberWords(min)}</span>
          <span>{zeros > 0 ? "without zeros, square-root scale" : "square-root scale"}</span>
          <span>{numberWords(max)}</span>
        </figcaption>
      </figure>
      <dl class="inside-facts figures">
        <Fact name="Smallest">{numberWords(min)}</Fact>
        <Fact name="Largest">{numberWords(max)}</Fact>
        <Fact name="Mean">{numberWords(mean)}</Fact>
        <Fact name="Zeros">{percentWords(zeros)}</Fact>
      </dl>
    </div>
  );
}
