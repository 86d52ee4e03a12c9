import type { Kind } from "./cells.ts";
import type { Change } from "./figure.ts";

export type ThemeName = "light" | "dark" | "auto";

/** Fill and stroke. */
type Paint = readonly [fill: string, stroke: string];

interface Theme {
  readonly background: string;
  readonly panel: Paint;
  readonly frame: Paint;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly projection: string;
  readonly kinds: { readonly [K in Kind]: Paint };
  /** Boxes of a comparison: only differences are coloured. */
  readonly plain: Paint;
  readonly changes: { readonly [C in Exclude<Change, "same">]: Paint };
}

/** Text has a contrast of at least 4.5 : 1 to its background (WCAG 2.2, 1.4.3). */
const themes: { readonly [Name in Exclude<ThemeName, "auto">]: Theme } = {
  light: {
    background: "#ffffff",
    panel: ["#f6f8fa", "#d8dee4"],
    frame: ["#ffffff", "#c8d1da"],
    text: "#1f2328",
    muted: "#59636e",
    line: "#6e7781",
    projection: "#bc4c00",
    kinds: {
      convolution: ["#ddebfc", "#5b9bef"],
      pooling: ["#d8f3e3", "#3fa46a"],
      linear: ["#fde9cf", "#dd9330"],
      gate: ["#f3e3fb", "#a871cf"],
      norm: ["#eef0f3", "#99a3ae"],
      join: ["#ffffff", "#6e7781"],
      other: ["#eef0f3", "#99a3ae"],
    },
    plain: ["#f1f3f5", "#b6bfc8"],
    changes: { added: ["#d3f5dc", "#1f883d"], removed: ["#ffe0de", "#cf222e"], changed: ["#fff1c2", "#9a6700"] },
  },
  dark: {
    background: "#0d1117",
    panel: ["#151b23", "#343b44"],
    frame: ["#0d1117", "#3d454f"],
    text: "#f0f3f6",
    muted: "#a1abb6",
    line: "#8b949e",
    projection: "#f0883e",
    kinds: {
      convolution: ["#14315a", "#4c8fe0"],
      pooling: ["#123d29", "#3fa46a"],
      linear: ["#4a3210", "#d29338"],
      gate: ["#3c2350", "#b083d6"],
      norm: ["#252c35", "#6e7781"],
      join: ["#0d1117", "#8b949e"],
      other: ["#252c35", "#6e7781"],
    },
    plain: ["#1f262e", "#59636e"],
    changes: { added: ["#0f3d20", "#3fb950"], removed: ["#55191c", "#f85149"], changed: ["#4a3a06", "#d29922"] },
  },
};

/** The style sheet of a picture. With "auto" it holds both themes, and a media query chooses. */
export function styleOf(name: ThemeName): string {
  const base =
    'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}' +
    ".edge{fill:none;stroke-width:1.4}.tip{stroke:none}.projection{stroke-width:1.6}" +
    ".dashed{stroke-dasharray:4 3}.struck{text-decoration:line-through}";
  if (name !== "auto") return base + rulesOf(themes[name]);
  return `${base}${rulesOf(themes.light)}@media(prefers-color-scheme:dark){${rulesOf(themes.dark)}}`;
}

function rulesOf({ background, panel, frame, text, muted, line, projection, kinds, plain, changes }: Theme): string {
  const painted = Object.entries({ panel, frame, plain, ...kinds, ...changes });
  return [
    `.background{fill:${background}}`,
    `.text{fill:${text}}.muted{fill:${muted}}`,
    `.edge{stroke:${line}}.tip{fill:${line}}.edge.projection{stroke:${projection}}.tip.projection{fill:${projection}}`,
    ...painted.map(([name, [fill, stroke]]) => `.${name}{fill:${fill};stroke:${stroke}}`),
    ...Object.entries(changes).map(
      ([name, [, stroke]]) => `.edge.${name}{fill:none;stroke:${stroke}}.tip.${name}{fill:${stroke};stroke:none}`,
    ),
    `.pill{fill:${background};stroke:${projection}}`,
  ].join("");
}
