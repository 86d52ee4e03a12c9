/** The page's style, light and dark. The matrix is read by lightness and by its numbers, not by hue. */
export const style = `
:root { color-scheme: light dark;
  --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#5c6670, #9aa4af); --line: light-dark(#d8dde2, #333a42);
  --paper: light-dark(#ffffff, #14171a); --raised: light-dark(#f5f7f9, #1c2126);
  --right: light-dark(#2f6db5, #4c8fd6); --wrong: light-dark(#c2410c, #f08a5d); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
p { margin: .3rem 0; max-width: 60rem; } a { color: inherit; }
.soft, figcaption, summary { color: var(--soft); } summary { cursor: pointer; font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.charts, .pictures { display: flex; flex-wrap: wrap; gap: 1rem; } .charts figure { margin: 0; flex: 1 1 22rem;
  max-width: 34rem; } .charts .square { flex: 0 1 20rem; }
svg { width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; } svg .grid { stroke: var(--line); }
polyline { fill: none; stroke-width: 2.5; } .series0 { stroke: var(--right); } .series1 { stroke: var(--wrong);
  stroke-dasharray: 6 3; } circle.series0, .bar { fill: var(--right); } circle.series1 { fill: var(--wrong); }
.ideal { stroke: var(--soft); stroke-dasharray: 3 4; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; color: var(--soft); }
.key i { display: inline-block; width: 1.4rem; margin-right: .4rem; vertical-align: .25rem;
  border-top: 3px solid var(--right); } .key i.series1 { border-top: 3px dashed var(--wrong); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } th[scope=row] { text-align: left; white-space: nowrap; position: sticky; left: 0;
  background: var(--paper); } .matrix td, .matrix thead th { text-align: center; }
thead th:first-child { text-align: left; }
.matrix td { padding: 1px; border: 0; } .matrix thead th { max-width: 7rem; overflow-wrap: anywhere; }
.cell { display: block; width: 100%; min-width: 2.6rem; padding: .3rem .4rem; border: 0; border-radius: .25rem;
  font: inherit; color: inherit; cursor: pointer;
  background: color-mix(in srgb, var(--wrong) calc(10% + var(--share) * 60%), var(--paper)); }
.cell.right { background: color-mix(in srgb, var(--right) calc(8% + var(--share) * 47%), var(--paper)); }
.cell:hover { outline: 2px solid var(--ink); } :focus-visible { outline: 3px solid var(--right); outline-offset: 1px; }
[popover] { width: min(60rem, 94vw); max-height: 84vh; overflow: auto; padding: 1rem 1.2rem;
  border: 1px solid var(--line); border-radius: .5rem; background: var(--raised); color: var(--ink); }
[popover]::backdrop { background: rgb(0 0 0 / 45%); } [popover] h3 { margin: 0 0 .6rem; }
.close { float: right; font: inherit; }
.pictures figure { margin: 0; width: 8.5rem; } .pictures figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.pictures img, .pictures .none { display: block; width: 8.5rem; height: 8.5rem; object-fit: contain;
  background: var(--line); border-radius: .3rem; } img.small { image-rendering: pixelated; }
.none { padding: .5rem; font-size: .8rem; }
`;
