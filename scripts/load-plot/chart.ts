/// <reference lib="dom" />
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export const batchers = ["learned costs", "fixed delay of 5 ms", "plain queue"] as const;

export type BatcherName = (typeof batchers)[number];

export interface Point {
  readonly panel: string;
  readonly batcher: BatcherName;
  /** Offered queries, as a share of Offline's samples a second. */
  readonly share: number;
  /** 99th percentile of latency, milliseconds. */
  readonly p99: number;
}

const themes = {
  light: { text: "#1f2328", lines: ["#0969da", "#bc4c00", "#57606a"] },
  dark: { text: "#e6edf3", lines: ["#58a6ff", "#f0883e", "#8b949e"] },
} as const;

/** A panel for each system, a line for each batcher. */
export function chart(points: readonly Point[], theme: keyof typeof themes): string {
  const { text, lines } = themes[theme];
  const line = { x: "share", y: "p99", fx: "panel", stroke: "batcher", strokeWidth: 2, clip: true } as const;
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawn = Plot.plot({
    document,
    width: 960,
    height: 360,
    marginLeft: 56,
    marginTop: 36,
    marginBottom: 44,
    style: { background: "none", color: text, fontFamily: "system-ui, sans-serif", fontSize: "12px" },
    x: { label: "offered load, share of Offline →", domain: [0, 1.02], tickFormat: ".1f" },
    y: {
      type: "log",
      label: "↑ 99th percentile of latency, ms",
      domain: [4, 4000],
      grid: true,
      tickFormat: (ms) => `${ms}`,
    },
    fx: { label: null, padding: 0.1, domain: [...new Set(points.map(({ panel }) => panel))] },
    color: { domain: [...batchers], range: [...lines], legend: false },
    marks: [
      Plot.lineY(points, line),
      Plot.dot(points, { ...line, fill: "batcher", r: 2.5 }),
      ...batchers.map((name, index) =>
        Plot.text([name], {
          fill: () => name,
          fx: () => points[0]!.panel,
          frameAnchor: "top-left",
          dx: 8,
          dy: 8 + 16 * index,
        }),
      ),
    ],
  });
  drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${drawn.outerHTML}\n`;
}
