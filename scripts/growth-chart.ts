/// <reference lib="dom" />
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export const themes = {
  light: { text: "#1f2328", lines: ["#0969da", "#bc4c00", "#1a7f37"] },
  dark: { text: "#e6edf3", lines: ["#58a6ff", "#f0883e", "#3fb950"] },
} as const;

export interface GrowthPoint {
  /** The panel that the point is in. */
  readonly panel: string;
  /** The line that the point is on. */
  readonly line: string;
  readonly at: number;
  readonly ms: number;
}

/** Milliseconds against a size, both on logarithmic axes, as SVG: panels side by side, in each one the `lines`. */
export function growthChart(
  given: readonly GrowthPoint[],
  lines: readonly string[],
  labels: { readonly x: string; readonly y: string },
  theme: keyof typeof themes,
): string {
  const points = given.toSorted((a, b) => a.at - b.at);
  const ticks = [...new Set(points.map(({ at }) => at))];
  const line = { x: "at", y: "ms", fx: "panel", stroke: "line", strokeWidth: 2 };
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawn = Plot.plot({
    document,
    width: 840,
    height: 340,
    marginLeft: 56,
    marginTop: 36,
    marginBottom: 44,
    style: {
      background: "none",
      color: themes[theme].text,
      fontFamily: "system-ui, sans-serif",
      fontSize: "12px",
      overflow: "visible",
    },
    x: { type: "log", base: 2, label: labels.x, ticks, tickFormat: (at: number) => `${at}` },
    y: { type: "log", label: labels.y, grid: true, tickFormat: (ms: number) => `${ms}` },
    fx: { label: null, padding: 0.12 },
    color: { domain: [...lines], range: [...themes[theme].lines] },
    marks: [
      Plot.lineY(points, line),
      Plot.dot(points, { ...line, fill: "line", r: 3 }),
      Plot.text(
        points,
        Plot.selectLast({
          x: "at",
          y: "ms",
          fx: "panel",
          z: "line",
          text: "line",
          fill: "line",
          textAnchor: "end",
          dy: -10,
        }),
      ),
    ],
  });
  drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${drawn.outerHTML}\n`;
}
