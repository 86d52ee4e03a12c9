/**
 * The page's style. Shares have a scale of one hue that is read by lightness, so the scale needs no colour vision.
 * Shares over the bound have another hue, are larger, and are hatched.
 */
export const style = `
:root { color-scheme: light dark;
  --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#5c6670, #9aa4af); --line: light-dark(#d8dde2, #333a42);
  --paper: light-dark(#ffffff, #14171a); --raised: light-dark(#f5f7f9, #1c2126);
  --good: light-dark(#12703f, #5fd39a); --good-back: light-dark(#e3f5ea, #14331f);
  --bad: light-dark(#b3261e, #ff8a80); --bad-back: light-dark(#fde9e7, #47191a);
  --s0: light-dark(#eef2f7, #22282f); --s1: light-dark(#d3e1f2, #26405e); --s2: light-dark(#a6c4e6, #2f5f96);
  --s3: light-dark(#6a9bd3, #4c8fd6); --s4: light-dark(#2f6db5, #8cbcf2); --s5: light-dark(#12406f, #d3e6fc);
  --over: light-dark(#d1432f, #ff6b57); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; letter-spacing: -.01em; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; } p { margin: .3rem 0; max-width: 60rem; }
a { color: inherit; } code, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: .86em; overflow-wrap: anywhere; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.verdicts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.verdicts li { flex: 1 1 16rem; padding: .8rem 1rem; border: 1px solid var(--line); border-left: .35rem solid;
  border-radius: .4rem; background: var(--raised); }
.verdicts li.good { border-left-color: var(--good); } .verdicts li.bad { border-left-color: var(--bad); }
.verdicts li.open { border-left-color: var(--soft); }
.verdicts strong { font-size: 1.1rem; } .verdicts strong span { display: inline; font-size: inherit; color: inherit; }
.verdicts > li > span { display: block; color: var(--soft); font-size: .87rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; } table.cards { width: 100%; }
.note { color: var(--soft); font-size: .82rem; margin: .4rem 0 .8rem; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } thead th { color: var(--soft); font-size: .8rem; } td.number, th.number { text-align: right;
  white-space: nowrap; } td.mono { white-space: nowrap; } td.soft.mono { white-space: normal; min-width: 18rem; }
.matrix td { text-align: center; padding: .2rem .3rem; } .matrix th[scope=row] { font-weight: 500;
  white-space: nowrap; position: sticky; left: 0; background: var(--paper); }
.matrix { width: auto; min-width: min(100%, 34rem); }
.cell { display: block; min-width: 5.5rem; padding: .2rem .4rem; border-radius: .25rem; text-decoration: none;
  font-size: .85rem; white-space: nowrap; }
.cell.good { background: var(--good-back); } .cell.bad { background: var(--bad-back); font-weight: 700; }
.cell.none { color: var(--soft); }
.model { border-top: 1px solid var(--line); padding: .7rem 0 .4rem; } .model.wrong { border-top: 2px solid var(--bad);
  } .model p.soft { font-size: .8rem; margin: .2rem 0 0; }
h4 { font-size: .95rem; margin: 0; } h4 span { font-weight: 400; } summary { cursor: pointer; font-size: .85rem;
  color: var(--soft); } details[open] summary { margin-bottom: .3rem; }
.first { padding: .6rem .8rem; border-radius: .3rem; background: var(--bad-back); max-width: none; }
.strip { display: flex; flex-wrap: wrap; gap: 1px; margin: .15rem 0 .5rem; }
.strip i { width: 9px; height: 22px; background: var(--s0); border-radius: 1px; }
.strip i.s1 { background: var(--s1); } .strip i.s2 { background: var(--s2); } .strip i.s3 { background: var(--s3); }
.strip i.s4 { background: var(--s4); } .strip i.s5 { background: var(--s5); }
.strip i.once, .key i.once { background: var(--paper); box-shadow: inset 0 0 0 1px var(--s2); }
.strip i.over, .key i.over { width: 14px;
  background: repeating-linear-gradient(45deg, var(--over) 0 3px, color-mix(in srgb, var(--over) 55%, black) 3px 6px);
  outline: 1px solid var(--bad); }
.strip i:hover { outline: 2px solid var(--ink); } .key { display: flex; flex-wrap: wrap; gap: .3rem .9rem;
  align-items: center; font-size: .8rem; color: var(--soft); }
.key i { display: inline-block; width: 14px; height: 14px; margin-right: .3rem; vertical-align: -2px;
  border-radius: 2px; }
.list { columns: 22rem; padding: 0; list-style: none; } .list li { break-inside: avoid; padding: .1rem 0 .1rem 1.2em;
  text-indent: -1.2em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
#tip { position: fixed; z-index: 1; max-width: 30rem; padding: .35rem .6rem; border-radius: .3rem;
  background: var(--ink); color: var(--paper); font-size: .82rem; pointer-events: none; }
@media print { .model { break-inside: avoid; } }
@media (max-width: 56rem) { body { padding: 1rem .7rem 3rem; } .strip i { width: 7px; } .cell { min-width: 4rem; }
  .cards thead { display: none; } .cards tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .5rem 0;
  border-bottom: 1px solid var(--line); }
  .cards td { padding: 0; border: 0; text-align: left; } .cards td:empty { display: none; }
  .cards td.soft.mono { flex-basis: 100%; min-width: 0; }
  .cards td:not([data-column=name], [data-column=what])::before { content: attr(data-column) " ";
  font: .8rem system-ui, sans-serif; color: var(--soft); } }
`;

/** Shows a cell's text beside the cell, on hover and on touch. */
export const script = `
const tip = document.createElement("div"); tip.id = "tip"; tip.hidden = true; document.body.append(tip);
const show = (target) => {
  tip.hidden = !target; if (!target) return;
  tip.textContent = target.dataset.tip; const box = target.getBoundingClientRect();
  tip.style.top = box.bottom + 6 + "px";
  tip.style.left = Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8)) + "px";
};
addEventListener("pointerover", (event) => show(event.target.closest?.("[data-tip]")));
addEventListener("scroll", () => show(), true);
`;
