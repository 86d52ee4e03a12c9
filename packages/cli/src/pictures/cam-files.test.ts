import { copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { load } from "@residual/pipeline";
import { decodeImage, overlayCam } from "@residual/vision";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

interface Row {
  readonly image: string;
  readonly predictions: readonly { readonly label: string }[];
  readonly cam: { readonly file: string; readonly label: string; readonly index: number; readonly probability: number };
}

const chelsea = photo("chelsea.png");
const folder = temporaryFolder();

const rgbOf = ({ data }: { readonly data: Uint8Array | Uint8ClampedArray }) =>
  Buffer.from(data.filter((_, i) => i % 4 !== 3));

describe("classify --cam", () => {
  it.each([
    [[], "cat"],
    [["--cam-class", "dog"], "dog"],
    [["--cam-class", "5"], "dog"],
  ])("draws the map into a file of the picture's size %j", async (words, label) => {
    const file = folder.in(`${label}.png`);
    const [row, ...others] = await document<readonly Row[]>(["classify", chelsea, "--cam", file, ...words]);
    expect(others).toEqual([]);
    expect(row!.predictions).toHaveLength(5);
    expect(row!.cam).toMatchObject({ file, label });
    await using classifier = await load();
    const found = await decodeImage(file);
    const expected = overlayCam(await classifier.cam(chelsea, { class: label }));
    expect([found.width, found.height]).toEqual([451, 300]);
    expect(Buffer.from(found.data).equals(rgbOf(expected))).toBe(true);
  });

  it("draws many into a folder, two of one name into two files", async () => {
    await mkdir(folder.in("many/deep"), { recursive: true });
    await copyFile(chelsea, folder.in("many/cat.png"));
    await copyFile(photo("rocket.jpg"), folder.in("many/deep/cat.jpg"));
    const words = ["classify", folder.in("many"), folder.in("none.png"), "--cam", folder.in("maps/new")];
    const { stdout, code } = await residual([...words, "--json"]);
    const rows = JSON.parse(stdout) as readonly Row[];
    expect(rows.map(({ cam }) => cam?.file)).toEqual([
      folder.in("maps/new/cat.png"),
      folder.in("maps/new/cat_1.png"),
      undefined,
    ]);
    expect(code).toBe(1); // none.png
    expect(await readdir(folder.in("maps/new"))).toEqual(["cat.png", "cat_1.png"]);
  });

  it("writes a JPEG where its name is one's", async () => {
    const file = folder.in("cat.jpg");
    await document(["classify", chelsea, "--cam", file]);
    expect([...(await readFile(file)).subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
  });

  it("says where the map is, for people", async () => {
    const { stdout } = await succeed(["classify", chelsea, "--top", "1", "--cam", folder.in("cat.png")]);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(`  ${folder.in("cat.png")}: where cat (98.2 %) is seen`);
  });

  it.each([
    [["--cam", "map.gif"], /^UsageError: --cam map\.gif ends in \.gif; expected \.png, \.jpg, \.webp, or no ending/],
    [["--cam", ".png"], /^UsageError: --cam \.png is an ending without a name/],
    [["--cam-class", "dog"], /^UsageError: --cam-class goes with --cam/],
    [["--cam", "x.png", photo("rocket.jpg")], /^UsageError: --cam .* is one file for 2 pictures; give a folder/],
    [["--cam", "x.png", "--cam-class", "dgo"], /^UsageError: there is no class dgo; did you mean dog\?/],
    [["--cam", "x.png", "--cam-class", "10"], /^UsageError: there is no class 10; the classes of .* 0 to 9/],
  ])("refuses %j", async (words, message) => {
    const { stdout, stderr, code } = await residual(["classify", chelsea, ...words], { cwd: folder.path });
    expect([stdout, code]).toEqual(["", 2]);
    expect(stderr).toMatch(message);
  });

  it.each([["own/cat.png"], ["own"], ["own/"]])("never writes over a picture that it reads: %s", async (to) => {
    await mkdir(folder.in("own"), { recursive: true });
    await copyFile(chelsea, folder.in("own/cat.png"));
    const { stderr, code } = await residual(["classify", folder.in("own/cat.png"), "--cam", folder.in(to)]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^UsageError: --cam would write over the picture/);
    expect(await readFile(folder.in("own/cat.png"))).toEqual(await readFile(chelsea));
  });
});
