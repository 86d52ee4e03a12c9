import { readdir, readFile } from "node:fs/promises";
import { drawGraph, resnet, variants } from "@residual/core";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, residual, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();

describe("residual graph", () => {
  it("writes a picture that libraries read as SVG", async () => {
    const to = folder.in("resnet50.svg");
    const { stdout } = await succeed(["graph", "resnet50", "--to", to]);
    expect(stdout).toBe(`${to}: resnet50\n`);
    const svg = await readFile(to, "utf8");
    const input = [1, 3, 224, 224];
    expect(svg).toBe(drawGraph(resnet(variants.resnet50, { name: "resnet50", input })));
    const { format, width } = await sharp(to).metadata();
    expect([format, width]).toEqual(["svg", 900]);
    expect((await readdir(folder.path)).filter((name) => !name.endsWith(".svg"))).toEqual([]);
  });

  it("takes options, another model, and weights", async () => {
    const to = folder.in("options.svg");
    const words = ["--depth", "2", "--open", "--theme", "auto", "--input", "1x3x96x96", "--compare", "resnet34"];
    expect(await document(["graph", "resnet18", "--to", to, ...words])).toEqual({
      model: "resnet18",
      compare: "resnet34",
      to,
    });
    const at = (name: "resnet18" | "resnet34") => resnet(variants[name], { name, input: [1, 3, 96, 96] });
    const expected = drawGraph(at("resnet18"), { depth: 2, open: true, theme: "auto", compare: at("resnet34") });
    expect(await readFile(to, "utf8")).toBe(expected);
    await succeed(["graph", "cifar_resnet20", "--to", to, "--weights", "resnet20-cifar10"]);
    expect(await readFile(to, "utf8")).toContain(">linear, 10<");
  });

  it("says that two models do not differ, and of others what differs", async () => {
    const to = folder.in("same.svg");
    const words = (other: string) => ["graph", "resnet18", "--to", to, "--compare", other];
    expect((await succeed(words("resnet18"))).stdout).toBe(
      `${to}: resnet18; nothing that is drawn differs in resnet18\n`,
    );
    expect(await readFile(to, "utf8")).toContain(">nothing that is drawn differs<");
    expect((await succeed(words("resnet34"))).stdout).toBe(`${to}: resnet18 and what differs in resnet34\n`);
    expect(await readFile(to, "utf8")).not.toContain("nothing that is drawn differs");
  });

  it.each([
    [["resnet50", "--to", "x.png"], 2, /^UsageError: --to x\.png ends in \.png; expected \.svg/],
    [["resnet50", "--to", "x"], 2, /^UsageError: --to x has no ending; expected \.svg/],
    [["resnet5", "--to", "x.svg"], 2, /^UsageError: there is no model resnet5; did you mean resnet50\?/],
    [["resnet50", "--to", "x.svg", "--compare", "resnet5"], 2, /^UsageError: there is no model resnet5;/],
    [["resnet50", "--to", "x.svg", "--depth", "4"], 2, /^UsageError: .*--depth.* '4'.*: allowed choices are 1, 2, 3/],
    [
      ["resnet50", "--to", "x.svg", "--theme", "blue"],
      2,
      /^UsageError: .*--theme.* 'blue'.*: allowed choices are light/,
    ],
    [
      ["resnet50", "--to", "nowhere/x.svg"],
      1,
      /^FormatError: nowhere\/x\.svg: there is no folder nowhere; make it first/,
    ],
  ])("refuses %j", async (words, exitCode, message) => {
    const { stdout, stderr, code } = await residual(["graph", ...words], { cwd: folder.path });
    expect([stdout, code]).toEqual(["", exitCode]);
    expect(stderr).toMatch(message);
  });
});
