import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reference } from "@residual/core";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { conform } from "../suite/conform.ts";
import { toBadge, toShields } from "./badge.ts";
import { toHtml } from "./html.ts";
import { toJson } from "./json.ts";
import { toJunit } from "./junit.ts";
import { parse, stringify } from "./numbers-json.ts";
import { sample } from "./testing/sample.ts";
import type { Check, Report } from "./types.ts";
import { growingReports, writeReports } from "./write.ts";

const schema = JSON.parse(readFileSync(new URL("../../schema/conformance-1.json", import.meta.url), "utf8")) as object;
const validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema);

function problemsOf(reports: readonly Report[]): unknown {
  return validate(JSON.parse(toJson(reports))) ? [] : validate.errors;
}

describe("JSON", () => {
  it("is as the schema has it", async () => {
    expect(problemsOf(sample())).toEqual([]);
    const real = await conform(reference, { only: ["ops", "nodes", "models"], models: ["paddle_unit_s2"] });
    expect(problemsOf([real])).toEqual([]);
  });

  it("of another shape the schema refuses", () => {
    const [report] = sample();
    const whole = JSON.parse(toJson([report!])) as { readonly reports: readonly [object] };
    const changed = (change: object) => validate({ ...whole, reports: [{ ...whole.reports[0], ...change }] });
    expect(changed({})).toBe(true);
    expect(changed({ level: "slow" })).toBe(false);
    expect(changed({ more: 1 })).toBe(false);
    expect([changed({ remaining: 3 }), changed({ remaining: 0 })]).toEqual([true, false]);
  });

  it("keeps NaN and infinities", () => {
    const values = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity));
    fc.assert(
      fc.property(values, values, (share, found) => {
        const back = parse(stringify({ share, worst: { found } }));
        expect(back).toEqual({ share: share === 0 ? 0 : share, worst: { found: found === 0 ? 0 : found } });
      }),
    );
    expect(parse(stringify({ name: "NaN" }))).toEqual({ name: "NaN" });
  });
});

describe("JUnit", () => {
  const suites = (reports: readonly Report[]) => {
    const parser = new XMLParser({
      ignoreAttributes: false,
      isArray: (name) => name === "testsuite" || name === "testcase",
    });
    return (parser.parse(toJunit(reports)) as { testsuites: { testsuite: readonly Record<string, unknown>[] } })
      .testsuites.testsuite;
  };

  it("has a suite for each section, with its counts", () => {
    const found = suites(sample());
    expect(found.map((each) => each["@_name"])).toEqual([
      "onnx/ops/special values",
      "onnx/nodes/resnet18/as built",
      "onnx/images/pictures",
      "onnx/behaviour/life",
      "other/nodes/resnet18/as built",
    ]);
    expect(found.map((each) => [each["@_tests"], each["@_failures"], each["@_skipped"]])).toEqual([
      ["1", "0", "0"],
      ["1", "0", "0"],
      ["1", "0", "1"],
      ["1", "0", "0"],
      ["3", "2", "0"],
    ]);
    expect(found[4]!.testcase).toMatchObject([{}, { failure: { "@_message": "got NaN" } }, { failure: {} }]);
  });

  it("is XML, whatever names are made of", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(XMLValidator.validate(toJunit(sample(text, text)))).toBe(true);
      }),
    );
  });
});

describe("HTML", () => {
  it("says what conforms, and the first node that does not", () => {
    const page = toHtml(sample());
    expect(page).toContain("First wrong node: layer1.0.conv1");
    expect(page).toContain("none given");
    // Ops, behaviour, training and a model, for each of three backends.
    expect(page.match(/class="cell (good|bad|none)"/g)).toHaveLength(4 * 3);
    expect(page).not.toMatch(/https?:/); // the page needs no other file
  });

  it("names the first wrong node of a training step", () => {
    const [report] = sample();
    const wrong = { name: "fc.gradient", passed: false, share: 3 };
    const section = { level: "train", name: "nodes of a step", variant: "basic blocks", milliseconds: 4 } as const;
    const page = toHtml([{ ...report!, sections: [{ ...section, checks: [wrong] }] }]);
    expect(page).toMatch(/nodes of a step, basic blocks.*fc\.gradient/s);
  });

  it("says of every number what it means", () => {
    const page = toHtml(sample());
    const tables = [
      ...page.matchAll(/<table(?! class="matrix")[^>]*>.*?<\/table><\/div>(<p class="note">(.*?)<\/p>)?/gs),
    ];
    expect(tables).toHaveLength(3); // of elements, ops and deviations
    for (const [table, , note] of tables) {
      const numbers = [...table.matchAll(/<th scope="col" class="[^"]*number"( title="[^"]+")?>(.*?)<\/th>/g)];
      expect(numbers.length).toBeGreaterThan(0);
      for (const [, title, name] of numbers) {
        expect(title, name).toBeDefined();
        expect(note).toContain(`${name}: `);
      }
    }
    for (const sign of ["✓: ", "✗: ", "–: ", "A share is "]) expect(page).toContain(sign);
  });

  it("neither paints nor sums up what one rounding fills", () => {
    const [report] = sample();
    // The float32 sum of 0.1 and 0.2 has one rounding. The bound of one rounding is u·|y|.
    const expected = Math.fround(0.1) + Math.fround(0.2);
    const worst = { index: [0], expected, found: Math.fround(expected), bound: 2 ** -24 * expected };
    const add = { name: "layer1.0.add", op: "add", passed: true, share: 0.99, worst } as const;
    const withAdd = (change: Partial<Check>) => {
      const checks = [...report!.sections[1]!.checks, { ...add, ...change }];
      return toHtml([{ ...report!, sections: [{ ...report!.sections[1]!, checks }] }]);
    };
    expect(withAdd({})).toContain("✓ 0.25");
    expect(withAdd({})).toContain(
      '<i class=once data-tip="layer1.0.add, add, 0.99 of its bound, at most one rounding">',
    );
    expect(withAdd({ worst: { ...worst, bound: 3 * worst.bound } })).toContain("✓ 0.99");
    expect(withAdd({ share: 1.5, passed: false })).toContain("<i class=over");
  });

  it("escapes whatever comes from a backend", () => {
    const page = toHtml(sample(`<img src=x onerror=alert(1)>`, `"><script>alert(2)</script>'`));
    expect(page).not.toContain("<img");
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page).not.toContain(`"><script>`);
  });

  it("says that a run has not finished", () => {
    const [report] = sample();
    const page = toHtml([{ ...report!, passed: false, remaining: 12 }]);
    expect(page).toContain("onnx <span>has not finished</span>");
    expect(page).toContain("12 sections still to run");
    expect(page).not.toContain("<span>conforms</span>");
  });

  it("of nothing is a page still", () => expect(toHtml([])).toContain("</html>"));
});

describe("badges", () => {
  it("say who conforms", () => {
    expect(JSON.parse(toShields(sample().slice(0, 1)))).toEqual({
      schemaVersion: 1,
      label: "conformance",
      message: "onnx 3",
      color: "green",
    });
    expect(JSON.parse(toShields(sample()))).toMatchObject({
      message: "onnx 3 | other 2 of 3 fail | third was checked against nothing",
      color: "red",
    });
    expect(JSON.parse(toShields([]))).toMatchObject({ message: "nothing run", color: "red" });
    expect(toBadge(sample())).toMatch(/^<svg /);
    expect(toBadge(sample("<script>"))).not.toContain("<script>");
  });

  it("are XML whatever a backend is called", () => {
    const [report] = sample();
    const name = "a\0b\x1b[31m\n\x9b\u202E<&>";
    const badge = toBadge([{ ...report!, backend: { ...report!.backend, name } }]);
    expect(badge).not.toMatch(/[^\n\P{C}]/u);
    expect(new XMLParser().parse(badge, true)).toHaveProperty("svg");
    expect(badge).toContain("a\u{FFFD}b\u{FFFD}[31m");
  });
});

describe("writing", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "residual-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("writes each form whole into a folder that it makes, over those of before", async () => {
    const path = join(folder, "deep/report");
    await writeReports(path, []);
    await writeReports(path, sample());
    expect((await readdir(path)).sort()).toEqual([
      "badge.json",
      "badge.svg",
      "conformance.json",
      "index.html",
      "junit.xml",
    ]);
    expect(await readFile(join(path, "conformance.json"), "utf8")).toBe(toJson(sample()));
  });

  it("of growing reports takes a twentieth of the time at most, and the first is written at once", async () => {
    const path = join(folder, "growing");
    const json = () => readFile(join(path, "conformance.json"), "utf8");
    const times = [0, 100, 1999, 2000, 2010]; // the first write takes 100 ms, so the next write comes 1,900 ms later
    const now = vi.spyOn(performance, "now").mockImplementation(() => times.shift() ?? Number.NaN);
    const write = growingReports(path);
    const [one, two] = [sample().slice(0, 1), sample()];
    await write(one);
    await write(two);
    expect(await json()).toBe(toJson(one));
    await write(two);
    expect(await json()).toBe(toJson(two));
    now.mockRestore();
  });
});
