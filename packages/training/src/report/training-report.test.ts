import { describe, expect, it } from "vitest";
import type { EpochRecord } from "../fit/state.ts";
import type { Judged } from "../metrics/judged.ts";
import { picturesOfReport, type ReportData, trainingReport } from "./training-report.ts";

const epoch = (number: number): EpochRecord => ({
  epoch: number,
  learningRate: 0.1,
  trainLoss: 2 / number,
  trainAccuracy: 0.5,
  loss: 1 / number,
  accuracy: 0.6,
  top5: 1,
});

const judgedAs = (index: number, label: number, predicted: number, loss: number): Judged => {
  return { index, label, predicted, confidence: 0.9, rank: label === predicted ? 0 : 1, loss };
};

function reportOf(changes: Partial<ReportData> = {}): ReportData {
  const judged = [judgedAs(0, 0, 0, 0.1), judgedAs(1, 0, 1, 2.5), judgedAs(2, 1, 1, 0.2), judgedAs(3, 0, 1, 4.5)];
  return {
    title: "net <1>",
    facts: [["data", "<photos>"]],
    labels: ["cat & dog", "ship"],
    headHistory: [],
    history: [epoch(1), epoch(2)],
    best: epoch(2),
    judged,
    examples: judged.map(({ index, label }) => ({ name: `${index}.png`, label, picture: { path: `${index}.png` } })),
    pictures: new Map([
      [3, { thumbnail: { source: "data:image/webp;base64,AAAA", isSmall: true }, link: "../p/3.png" }],
    ]),
    unreadable: [],
    ...changes,
  };
}

describe("the report of a training run", () => {
  const page = trainingReport(reportOf());

  it("has a button for each cell with pictures, which opens them", () => {
    const targets = [...page.matchAll(/<button class="cell[^>]*popovertarget="([^"]+)"[^>]*>(\d+)</g)];
    expect(targets.map(([, id, count]) => [id, count])).toEqual([
      ["of-0-as-0", "1"],
      ["of-0-as-1", "2"],
      ["of-1-as-1", "1"],
    ]);
    for (const [, id] of targets) expect(page).toContain(`<section popover id="${id}"`);
    const section = page.slice(page.indexOf('<section popover id="of-0-as-1"'));
    expect(section.indexOf("3.png")).toBeLessThan(section.indexOf("1.png")); // the larger loss first
    expect(section).toContain('<a href="../p/3.png"><img src="data:image/webp;base64,AAAA"');
  });

  it("escapes foreign text, and loads nothing", () => {
    expect(page).toContain("net &#60;1&#62;");
    expect(page).toContain("&#60;photos&#62;");
    expect(page).not.toMatch(/https?:|<script|<link|url\(/);
  });

  it("has precision and recall by class", () => {
    // of three cats one is right; of three predicted ships one is right
    expect(page).toMatch(/cat &#38; dog<\/th><td>3<\/td><td>100\.0 %<\/td><td>33\.3 %/);
    expect(page).toMatch(/ship<\/th><td>1<\/td><td>33\.3 %<\/td><td>100\.0 %/);
  });

  it("names pictures that could not be read", () => {
    expect(trainingReport(reportOf({ unreadable: ["a.png", "b.png"] }))).toContain("2 pictures could not be read");
  });

  it("lists the most frequent mistakes of many classes", () => {
    const labels = Array.from({ length: 41 }, (_, i) => `class ${i}`);
    const many = trainingReport(reportOf({ labels }));
    expect(many).not.toContain('class="matrix"');
    expect(many.match(/<section popover/g)).toHaveLength(1);
  });
});

it("shows few of the right pictures, more of the mistakes", () => {
  const right = Array.from({ length: 100 }, (_, i) => judgedAs(i, 0, 0, i / 1000));
  const wrong = Array.from({ length: 100 }, (_, i) => judgedAs(100 + i, 0, 1, 1 + i / 1000));
  const shown = picturesOfReport([...right, ...wrong]);
  expect(shown.filter((index) => index < 100)).toEqual([99, 98, 97, 96]);
  expect(shown.filter((index) => index >= 100)).toEqual(Array.from({ length: 24 }, (_, i) => 199 - i));
});
