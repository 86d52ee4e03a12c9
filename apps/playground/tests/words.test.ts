import { basename } from "node:path";
import { expect, test } from "vitest";
import { progressWords, shareOf } from "../src/app/format.ts";
import { classesIn } from "../src/train/pictures.ts";

test("progress of a file whose size is unknown names no size", () => {
  const unknown = { stage: "read weights", done: 1.1e6, total: Infinity };
  expect([progressWords(unknown), shareOf(unknown)]).toEqual(["read weights, 1.1 MB", undefined]);
  const known = { ...unknown, total: 2.2e6 };
  expect([progressWords(known), shareOf(known)]).toEqual(["read weights, 1.1 MB of 2.2 MB", 0.5]);
  expect(shareOf({ ...known, total: 0 })).toBeUndefined();
});

test("a folder's pictures are in the order of their names, whatever the browser's", () => {
  const file = (path: string) =>
    Object.defineProperty(new File([], basename(path)), "webkitRelativePath", { value: path });
  const paths = ["top/b/2.png", "top/a/9.png", "top/b/1.png", "top/a/.hidden", "top/loose.png", "top/a/10.png"];
  const { classes, loose } = classesIn(paths.map(file));
  expect(classes.map(({ label, files }) => [label, files.map(({ name }) => name)])).toEqual([
    ["a", ["10.png", "9.png"]],
    ["b", ["1.png", "2.png"]],
  ]);
  expect(loose).toEqual(["loose.png"]);
});
