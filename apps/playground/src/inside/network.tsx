import { useEffect, useRef } from "preact/hooks";
import { Segmented } from "../design/components.tsx";
import drawingStyle from "./drawing.css?inline";
import { boxesIn, linesIn, namesOf, prepare } from "./drawing.ts";
import { depth, drawing, facts, select, selectConnection, selection } from "./state.ts";

const depths = [
  { value: "1", label: "Stages" },
  { value: "2", label: "Blocks" },
  { value: "3", label: "Layers" },
] as const;

/** The network's picture. Each box and each line opens what it stands for. */
export function Network() {
  return (
    <aside class="inside-network card" aria-label="The network">
      <Segmented
        label="Detail of the picture"
        choices={depths}
        value={`${depth.value}`}
        onChange={(value) => {
          depth.value = value === "1" ? 1 : value === "2" ? 2 : 3;
        }}
      />
      <Drawing />
      <p class="caption">↓ ↑ walk along the network, → steps onto a connection, ← back, Enter opens.</p>
    </aside>
  );
}

/** The drawing in a shadow tree, so that its style sheet and its ids stay its own. */
function Drawing() {
  const host = useRef<HTMLDivElement>(null);
  const svg = drawing.value;
  useEffect(() => {
    if (svg !== undefined) show(svg, host.current!.shadowRoot ?? attach(host.current!));
  }, [svg]);
  const selected = selection.value;
  useEffect(() => {
    if (host.current?.shadowRoot) mark(host.current.shadowRoot);
  }, [selected]);
  return <div class="inside-drawing" ref={host} />;
}

function attach(host: HTMLElement): ShadowRoot {
  const root = host.attachShadow({ mode: "open" });
  root.addEventListener("click", (event) => open(targetOf(event)));
  root.addEventListener("keydown", (event) => event instanceof KeyboardEvent && walk(event, root));
  return root;
}

function show(svg: string, root: ShadowRoot): void {
  root.innerHTML = svg;
  const style = document.createElement("style");
  style.textContent = drawingStyle;
  root.append(style);
  prepare(root);
  mark(root);
}

/** The box or line that an event in the shadow tree is about. */
function targetOf(event: Event): SVGElement | undefined {
  const [origin] = event.composedPath();
  const target = origin instanceof Element ? origin.closest("[data-nodes], [data-value]") : null;
  return target instanceof SVGElement ? target : undefined;
}

/** Marks what is opened. */
function mark(root: ShadowRoot): void {
  const selected = selection.value;
  for (const element of root.querySelectorAll<SVGElement>("[data-nodes], [data-value]")) {
    const { nodes, value } = element.dataset;
    const isOpen =
      selected?.kind === "layer"
        ? nodes?.split(" ").includes(selected.name)
        : value === selected?.name && value !== undefined;
    element.toggleAttribute("data-open", isOpen === true);
    if (element.getAttribute("role") === "button") element.setAttribute("aria-pressed", `${isOpen === true}`);
  }
  const open = root.querySelector("[data-nodes][data-open]") ?? root.querySelector(".edge[data-open]:not(.hit)");
  if (!open) return;
  bringIntoView(open, root.host);
  makeTabStop(open, root);
}

/** The Tab key reaches one part of the drawing; arrow keys lead on from there. */
function makeTabStop(part: Element, root: ShadowRoot): void {
  for (const each of root.querySelectorAll('[tabindex="0"]')) each.setAttribute("tabindex", "-1");
  part.setAttribute("tabindex", "0");
}

/** Scrolls the drawing, and not the page. */
function bringIntoView(part: Element, scroller: Element): void {
  const [inner, outer] = [part.getBoundingClientRect(), scroller.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom)
    scroller.scrollBy({ top: inner.top - outer.top - (outer.height - inner.height) / 2 });
}

/** The layer that a box opens with: a stage or block shows what it gives on, a layer what it computes itself. */
function open(target: SVGElement | undefined): void {
  if (!target) return;
  if (target.dataset.value === undefined) {
    const names = namesOf(target);
    select(depth.value === 3 ? names[0]! : names.at(-1)!, names);
  } else selectConnection(target.dataset.value);
  if (isNarrow.matches) document.querySelector(".inside-detail")?.scrollIntoView();
}

/** What is opened lies below the drawing, as in inside.css. */
const isNarrow = matchMedia("(max-width: 1000px)");

function walk(event: KeyboardEvent, root: ShadowRoot): void {
  const from = targetOf(event);
  if (!from) return;
  if (event.key === "Enter" || event.key === " ") open(from);
  const to = stepFrom(from, event.key, root);
  if (!to && event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  if (!to) return;
  makeTabStop(to, root);
  to.focus({ preventScroll: true });
  bringIntoView(to, root.host);
}

/** Where a key leads: from box to box, or onto a line and off at either end. */
function stepFrom(from: SVGElement, key: string, root: ShadowRoot): SVGElement | undefined {
  const boxes = boxesIn(root);
  const boxOf = (name: string) => boxes.find((box) => namesOf(box).includes(name));
  const { value } = from.dataset;
  if (value !== undefined) {
    const { readBy, reads } = facts.value.get(value)!;
    const ends = linesIn(root).filter((line) => line.dataset.value === value);
    if (key === "ArrowRight") return ends[(ends.indexOf(from) + 1) % ends.length];
    if (key === "ArrowDown") return readBy[0] === undefined ? undefined : boxOf(readBy[0]);
    if (key === "ArrowUp" || key === "ArrowLeft") return boxOf(value) ?? (reads[0] ? boxOf(reads[0]) : undefined);
    return undefined;
  }
  const at = boxes.indexOf(from);
  const own = namesOf(from);
  if (key === "ArrowDown") return boxes[at + 1];
  if (key === "ArrowUp") return boxes[at - 1];
  if (key === "Home") return boxes[0];
  if (key === "End") return boxes.at(-1);
  if (key === "ArrowRight") return linesIn(root).find((line) => own.includes(line.dataset.value!));
  if (key === "ArrowLeft") {
    const read = facts.value.get(own[0]!)!.reads[0];
    return linesIn(root).find((line) => line.dataset.value === read);
  }
  return undefined;
}
