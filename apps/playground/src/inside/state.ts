import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { during, engine, fail, network, picture } from "../app/state.ts";
import { theme } from "../app/theme.ts";
import type { Palette } from "./colours.ts";
import type { Explained } from "./explain-number.ts";
import type { Place } from "./explanation.ts";
import type { ValueFacts } from "./facts.ts";
import type { Channel, DrawRequest, Look, Maps, Opened } from "./methods.ts";
import { forgetWanted } from "./wanted-state.ts";

/** What is looked at: a layer's maps, or a connection between layers. */
export type Selection =
  | {
      readonly kind: "layer";
      readonly name: string /** The layers of the box that was opened. */;
      readonly box: readonly string[];
    }
  | { readonly kind: "connection"; readonly name: string };

/** A place within one map. */
export interface Spot {
  readonly row: number;
  readonly column: number;
}

/** The picture that is looked at, and what is known of it before any layer is computed. */
export const opened = signal<(Opened & { readonly look: Look }) | undefined>(undefined);
export const drawing = signal<string | undefined>(undefined);
export const depth = signal<DrawRequest["depth"]>(3);
export const selection = signal<Selection | undefined>(undefined);
export const maps = signal<Maps | undefined>(undefined);
export const order = signal<"strongest" | "number">("strongest");
export const scale = signal<"map" | "layer">("map");
export const channel = signal(0);
export const channelFacts = signal<Channel | undefined>(undefined);
/** The place that was chosen, and the one that is pointed at. */
export const pinned = signal<Spot>({ row: 0, column: 0 });
export const pointed = signal<Spot | undefined>(undefined);
export const place = computed(() => pointed.value ?? pinned.value);
/** A number with its place. */
export interface ExplainedNumber extends Explained, Place {
  readonly name: string;
}
export const explained = signal<ExplainedNumber | undefined>(undefined);
/** The number of terms of a sum that are shown in full. */
export const limit = signal(3);

export const facts = computed<ReadonlyMap<string, ValueFacts>>(
  () => new Map(opened.value?.values.map((value) => [value.name, value])),
);

/** The width that two panels of the drawing need, side by side. */
const DRAWING_WIDTH = 340;

const dark = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(dark.matches);
dark.addEventListener("change", ({ matches }) => {
  isSystemDark.value = matches;
});
export const palette = computed<Palette>(() => {
  if (theme.value !== "system") return theme.value;
  return isSystemDark.value ? "dark" : "light";
});

/** A call into the worker whose answer counts only while `isWanted`. Shows an error, unless nobody waits for it. */
async function ask<T>(call: Promise<T>, isWanted: () => boolean): Promise<T | undefined> {
  try {
    const answer = await call;
    return isWanted() ? answer : undefined;
  } catch (error) {
    if (isWanted()) fail(error);
    return undefined;
  }
}

/** Opens the picture in use with the network in use, whenever either changes. Ends with the function it returns. */
export function follow(): () => void {
  const ends = [effect(openPicture), effect(draw), effect(lookAtLayer), effect(lookAtChannel), effect(lookAtNumber)];
  return () => {
    for (const end of ends) end();
    forgetWanted();
  };
}

let looks = 0;

function openPicture(): void {
  const [using, given] = [network.value, picture.value];
  if (using !== openedWith) forget();
  openedWith = using;
  if (using && given) void untracked(() => open({ id: ++looks, picture: given.file }));
}

async function open(look: Look): Promise<void> {
  const found = await during("Opening the picture", (work) => engine.call("openPicture", look, work));
  if (!found || look.id !== looks) return;
  batch(() => {
    const known = new Set(found.values.map(({ name }) => name));
    opened.value = { ...found, look };
    if (!known.has(selection.peek()?.name ?? "")) select(firstOf(found.values));
  });
}
let openedWith = network.peek();

/** What was shown of another network. */
function forget(): void {
  batch(() => {
    opened.value = undefined;
    drawing.value = undefined;
    maps.value = undefined;
    channelFacts.value = undefined;
    explained.value = undefined;
  });
  forgetWanted();
}

/** The first convolution: its input is the picture itself. */
function firstOf(values: readonly ValueFacts[]): string {
  const layers = values.filter(({ op }) => op !== "input");
  return (layers.find(({ op }) => op === "conv2d") ?? layers[0])!.name;
}

function draw(): void {
  const request = { depth: depth.value, width: DRAWING_WIDTH };
  const of = opened.value;
  if (!of) return;
  void ask(engine.call("drawNetwork", request), () => opened.peek() === of && depth.peek() === request.depth).then(
    (svg) => {
      if (svg !== undefined) drawing.value = svg;
    },
  );
}

/** Ends the work for a layer that is no longer looked at. */
let stop = new AbortController();

function lookAtLayer(): void {
  const [selected, of] = [selection.value, opened.value];
  if (of && selected?.kind === "layer") void untracked(() => openLayer(selected.name, of.look));
}

async function openLayer(name: string, look: Look): Promise<void> {
  stop.abort();
  stop = new AbortController();
  const other = stop.signal;
  const found = await during(`Computing ${name}`, ({ signal, onProgress }) =>
    engine.call("mapsOf", { ...look, name }, { signal: AbortSignal.any([signal, other]), onProgress }),
  );
  if (!found || other.aborted) return;
  const wanted = next?.name === name && next.channel < found.shape[0] ? next : undefined;
  next = undefined;
  isPlaced = wanted !== undefined;
  batch(() => {
    maps.value = found;
    channelFacts.value = undefined;
    channel.value = wanted?.channel ?? found.strongest[0]!;
    pointed.value = undefined;
    if (wanted) pinned.value = wanted;
  });
}

/** The channel and the place that the next layer opens with, such as by following a number back. */
let next: (Spot & { readonly name: string; readonly channel: number }) | undefined;
/** Whether the place was chosen; otherwise it is the channel's strongest. */
let isPlaced = false;

function lookAtChannel(): void {
  const [of, at] = [maps.value, channel.value];
  const look = opened.peek()?.look;
  if (!of || !look) return;
  const isWanted = () => maps.peek() === of && channel.peek() === at;
  void ask(engine.call("channelOf", { ...look, name: of.name, channel: at }), isWanted).then((found) => {
    if (!found) return;
    batch(() => {
      if (!isPlaced) pinned.value = found.spots[0] ?? { row: 0, column: 0 };
      isPlaced = false;
      channelFacts.value = found;
    });
  });
}

let isAsking = false;
/** The number that was pointed at while another was computed: only the last of them is asked for. */
let pending: (() => Promise<void>) | undefined;

function lookAtNumber(): void {
  const [of, facts, { row, column }, most] = [maps.value, channelFacts.value, place.value, limit.value];
  const look = opened.peek()?.look;
  if (!of || !facts || !look) return;
  const request = { name: of.name, channel: channel.peek(), row, column, limit: most };
  const explain = async () => {
    const isWanted = () => maps.peek() === of && pending === undefined;
    const found = await ask(engine.call("explainNumber", { ...look, ...request }), isWanted);
    if (found) explained.value = { ...found, ...request };
  };
  if (isAsking) pending = explain;
  else void untracked(() => askInTurn(explain));
}

async function askInTurn(first: () => Promise<void>): Promise<void> {
  isAsking = true;
  for (let next: typeof pending = first; next; next = pending) {
    pending = undefined;
    await next();
  }
  isAsking = false;
}

export function select(name: string, box: readonly string[] = [name]): void {
  limit.value = 3;
  explained.value = undefined;
  selection.value = { kind: "layer", name, box };
}

/** Opens a layer at one of its numbers. */
export function selectNumber(name: string, at: Spot & { readonly channel: number }): void {
  next = { name, ...at };
  const box = selection.peek();
  select(name, box?.kind === "layer" && box.box.includes(name) ? box.box : [name]);
}

export function selectConnection(name: string): void {
  selection.value = { kind: "connection", name };
}

export function selectChannel(index: number): void {
  pointed.value = undefined;
  channel.value = index;
}
