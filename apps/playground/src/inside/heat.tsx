import { useLayoutEffect, useRef } from "preact/hooks";
import { cssColour, inkOn, paint } from "./colours.ts";
import type { Patch } from "./explanation.ts";
import { palette } from "./state.ts";
import { cellWords, numberWords } from "./words.ts";

interface HeatProps {
  readonly numbers: Patch;
  readonly columns: number;
  /** The magnitude that has the strongest colour. */
  readonly largest: number;
  /** What the numbers are, for screen readers. */
  readonly label: string;
  /** The index of a number to point out. */
  readonly marked?: number | undefined;
}

/** Larger patches are painted without their digits. */
const [MOST_CELLS, MOST_DIGITS] = [64, 9];

/** Numbers in their colours. Padding is hatched. */
export function Heat(props: HeatProps) {
  const { numbers, columns, largest, label, marked } = props;
  if (numbers.length > MOST_CELLS) return <HeatImage {...props} />;
  const theme = palette.value;
  const hasDigits = numbers.length <= MOST_DIGITS;
  const read = hasDigits ? numbers.map((each) => (each === null ? "padding" : numberWords(each, 2))).join(", ") : "";
  return (
    <div
      class={`inside-heat ${hasDigits ? "" : "fine"}`}
      role="img"
      aria-label={read ? `${label}: ${read}` : label}
      style={{ gridTemplateColumns: `repeat(${columns}, auto)` }}
    >
      {numbers.map((each, at) =>
        each === null ? (
          <span key={at} class="inside-heat-cell padding" title="padding: 0" />
        ) : (
          <span
            key={at}
            class={`inside-heat-cell ${marked === at ? "marked" : ""}`}
            title={numberWords(each, 5)}
            style={{ background: cssColour(each, largest, theme), color: inkOn(each, largest, theme) }}
          >
            {hasDigits && cellWords(each)}
          </span>
        ),
      )}
    </div>
  );
}

function HeatImage({ numbers, columns, largest, label }: HeatProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [rows, theme] = [numbers.length / columns, palette.value];
  useLayoutEffect(() => {
    const pixels = new Uint8ClampedArray(4 * numbers.length);
    paint(
      Float32Array.from(numbers, (each) => each ?? Number.NaN),
      largest,
      theme,
      pixels,
    );
    canvas.current!.getContext("2d")!.putImageData(new ImageData(pixels, columns, rows), 0, 0);
  }, [numbers, columns, rows, largest, theme]);
  return (
    <canvas ref={canvas} class="inside-heat-image crisp" width={columns} height={rows} role="img" aria-label={label} />
  );
}

/** The largest magnitude among numbers. */
export function magnitudeOf(...all: readonly Patch[]): number {
  return Math.max(...all.flat().map((each) => Math.abs(each ?? 0)), 0);
}
