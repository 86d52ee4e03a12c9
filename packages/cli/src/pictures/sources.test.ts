import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { picturesIn } from "@residual/kit/files";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { picturesOf } from "./sources.ts";

const folder = temporaryFolder();

beforeAll(async () => {
  const files = [
    "b.png",
    "a.JPG",
    "z/c.webp",
    "a b/d.bmp",
    "notes.txt",
    ".hidden.png",
    ".git/e.png",
    "z/@eaDir/c.webp/thumb.jpg",
    "__MACOSX/b.png",
    "z/deep/f.tiff",
    "z/h.avif",
  ];
  for (const file of files) {
    await mkdir(dirname(folder.in(join("many", file))), { recursive: true });
    await writeFile(folder.in(join("many", file)), "");
  }
  await mkdir(folder.in("many/odd.png"));
  await writeFile(folder.in("many/odd.png/g.png"), "");
  await symlink("nowhere", folder.in("many/lost.png"));
  await symlink("..", folder.in("many/z/around"));
  await symlink(folder.in("many/z/deep"), folder.in("many/linked"));
  await mkdir(folder.in("empty"));
  await writeFile(folder.in("[x].png"), "");
});

/** By folder, then by name, as torchvision's ImageFolder sorts: os.walk's folders as texts. */
const all = ["a.JPG", "b.png", "a b/d.bmp", "linked/f.tiff", "odd.png/g.png", "z/c.webp", "z/deep/f.tiff"];
const names = async (...words: string[]) => {
  const { pictures } = await picturesOf(words);
  return pictures.map((each) => ("error" in each ? each.error.message : relative(folder.path, each.name)));
};

it("a folder is its pictures, those of its folders too, without what is hidden, and a link around ends", async () => {
  const { pictures, notes } = await picturesIn(folder.in("many"));
  expect(pictures.map((path) => relative(folder.in("many"), path))).toEqual(all);
  expect(notes.toSorted()).toEqual([
    `${folder.in("many/lost.png")} was passed over: a link to no file`,
    `${folder.in("many/odd.png")} is a folder, not a picture`,
    `pictures passed over, whose format is not read: 1 such as ${folder.in("many/z/h.avif")}`,
  ]);
});

describe("words of a command line", () => {
  it("are files, folders, patterns, URLs and stdin, in their order", async () => {
    const many = folder.in("many");
    expect(await names(folder.in("many/b.png"), many)).toEqual(["b.png", ...all].map((name) => `many/${name}`));
    expect(await names(`${many}/*.{png,JPG}`)).toEqual(
      ["a.JPG", "b.png", "odd.png/g.png"].map((name) => `many/${name}`),
    );
    expect(await names(pathToFileURL(`${many}/z/deep`).href)).toEqual(["many/z/deep/f.tiff"]);
    const given = ["https://example.com/cat.png?size=1", "-", "missing.png"];
    expect((await picturesOf(given)).pictures).toEqual(given.map((name) => ({ name })));
  });

  it("name a file before they are a pattern", async () => {
    expect(await names(folder.in("[x].png"))).toEqual(["[x].png"]);
  });

  it("that mean nothing are errors in their place", async () => {
    expect(await names(folder.in("empty"), folder.in("*.gif"), folder.in("[x].png"))).toEqual([
      `${folder.in("empty")}: found a folder without pictures; name a picture, or a folder that holds some`,
      `${folder.in("*.gif")}: no file matches; check the pattern`,
      "[x].png",
    ]);
  });

  it("give stdin once", async () => {
    await expect(picturesOf(["-", "-"])).rejects.toMatchObject({ code: "UsageError" });
  });
});
