import type { Region } from "./receptive-field.ts";

interface OutlineProps {
  readonly region: Region;
  readonly of: readonly [height: number, width: number];
  readonly look: "cell" | "field";
}

/** A rectangle over a picture of `of` pixels. */
export function Outline({ region: { rows, columns }, of: [height, width], look }: OutlineProps) {
  return (
    <span
      class={`inside-outline ${look}`}
      style={{
        top: `${(100 * rows.first) / height}%`,
        left: `${(100 * columns.first) / width}%`,
        height: `${(100 * (rows.last - rows.first + 1)) / height}%`,
        width: `${(100 * (columns.last - columns.first + 1)) / width}%`,
      }}
    />
  );
}
