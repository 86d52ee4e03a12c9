import { facts } from "./state.ts";
import { boxWords, connectionWords } from "./words.ts";

/** The parts of the network's drawing: boxes, which have names of layers, and lines, which have the name of a value. */

export const namesOf = (box: SVGElement): readonly string[] => box.dataset.nodes!.split(" ");

/** Boxes in the order in which their layers run. */
export function boxesIn(root: ShadowRoot): readonly SVGElement[] {
  const place = new Map([...facts.value.keys()].map((name, at) => [name, at]));
  const first = (box: SVGElement) => Math.min(...namesOf(box).map((name) => place.get(name) ?? Infinity));
  return [...root.querySelectorAll<SVGElement>("[data-nodes]")].toSorted((a, b) => first(a) - first(b));
}

export const linesIn = (root: ShadowRoot): readonly SVGElement[] => [
  ...root.querySelectorAll<SVGElement>(".edge[data-value]:not(.hit)"),
];

/** Makes boxes and lines into buttons that a keyboard reaches and a screen reader names. */
export function prepare(root: ShadowRoot): void {
  root.querySelector("svg")!.setAttribute("role", "group");
  for (const line of linesIn(root)) {
    nameButton(line, connectionWords(facts.value.get(line.dataset.value!)!));
    line.after(hitArea(line));
  }
  for (const group of root.querySelectorAll<SVGElement>("g[data-nodes]:has([data-value])")) takeLinesOut(group);
  for (const box of boxesIn(root)) {
    const lines = [...box.querySelectorAll("text")];
    for (const line of lines) line.before(" "); // so that what is read aloud begins with what is seen
    const seen = lines.map(({ textContent }) => textContent).join(" ");
    const words = boxWords(namesOf(box).map((name) => facts.value.get(name)!));
    nameButton(box, seen === "" ? words : `${seen}: ${words}`);
  }
  boxesIn(root)[0]?.setAttribute("tabindex", "0");
}

/** A shortcut's lines are buttons of their own, beside the one for its layers. */
function takeLinesOut(group: SVGElement): void {
  const box = group.cloneNode() as SVGElement;
  delete group.dataset.nodes;
  box.append(...[...group.children].filter((child) => !child.matches("[data-value]")));
  group.append(box);
}

/** A broad invisible line, easier to hit. */
function hitArea(line: SVGElement): SVGElement {
  const hit = line.cloneNode() as SVGElement;
  hit.setAttribute("class", "edge hit");
  for (const name of ["role", "aria-label", "tabindex"]) hit.removeAttribute(name);
  return hit;
}

function nameButton(element: SVGElement, words: string): void {
  element.setAttribute("role", "button");
  element.setAttribute("aria-label", words);
  element.setAttribute("tabindex", "-1");
}
