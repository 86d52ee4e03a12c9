import { freeName } from "../ir/names.ts";
import type { Box, Change, Figure, Frame, Shortcut } from "./figure.ts";

/**
 * The figure of `b`, with the differences from `a` marked: parts only in `b` are "added", parts only in `a` "removed".
 */
export function compared(a: Figure, b: Figure): Figure {
  const panels = merged(
    a.panels,
    b.panels,
    ({ name }) => name,
    (before, after) => {
      if (!before || !after) {
        const panel = (after ?? before)!;
        return { ...panel, frames: panel.frames.map((frame) => marked(frame, after ? "added" : "removed")) };
      }
      const frames = merged(before.frames, after.frames, ({ name }) => name, mergedFrame);
      return { ...after, frames };
    },
  );
  return { panels, hidden: b.hidden, epsilons: [...new Set([...a.epsilons, ...b.epsilons])] };
}

function mergedFrame(before: Frame | undefined, after: Frame | undefined): Frame {
  if (!before || !after) return marked((after ?? before)!, after ? "added" : "removed");
  const boxes = merged(
    before.boxes,
    after.boxes,
    ({ key }) => key,
    (old, now): Box => {
      if (!old || !now) return { ...(now ?? old)!, change: now ? "added" : "removed" };
      return old.lines.join() === now.lines.join() ? now : { ...now, before: old.lines, change: "changed" };
    },
  );
  const place = (frame: Frame, at: number) => {
    const key = frame.boxes[at]?.key;
    if (key === undefined) return at < 0 ? -1 : boxes.length;
    return boxes.findIndex((box) => box.key === key);
  };
  const moved = (frame: Frame) =>
    frame.shortcuts.map((each) => ({ ...each, from: place(frame, each.from), to: place(frame, each.to) }));
  const shortcuts = merged(
    moved(before),
    moved(after),
    ({ to }) => `${to}`,
    (old, now): Shortcut => {
      if (!old || !now) return { ...(now ?? old)!, change: now ? "added" : "removed" };
      return old.lines.join() === now.lines.join() ? now : { ...now, before: old.lines, change: "changed" };
    },
  );
  return { name: after.name, input: after.input, boxes, shortcuts, change: "same" };
}

function marked(frame: Frame, change: Change): Frame {
  return {
    ...frame,
    change,
    boxes: frame.boxes.map((box) => ({ ...box, change })),
    shortcuts: frame.shortcuts.map((each) => ({ ...each, change })),
  };
}

/** Merges both lists, each in its order. Items with equal names become one item. */
function merged<T, M>(
  a: readonly T[],
  b: readonly T[],
  nameOf: (item: T) => string,
  merge: (a: T | undefined, b: T | undefined) => M,
): readonly M[] {
  const [namesOfA, namesOfB] = [a, b].map((items) => {
    const taken = new Set<string>();
    return items.map((item) => freeName(nameOf(item), taken)); // layers between stages have no name
  }) as [string[], string[]];
  const all: M[] = [];
  let at = 0;
  const addUntil = (end: number) => {
    for (; at < end; at++) if (!namesOfA.includes(namesOfB[at]!)) all.push(merge(undefined, b[at]));
  };
  for (const [index, item] of a.entries()) {
    const place = namesOfB.indexOf(namesOfA[index]!);
    addUntil(place); // nothing where it is −1
    all.push(merge(item, b[place]));
  }
  addUntil(b.length);
  return all;
}
