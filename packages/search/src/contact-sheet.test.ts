import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { temporaryFolder } from "@residual/kit/testing/folder";
import { beforeAll, expect, it } from "vitest";
import { writeContactSheet } from "./contact-sheet.ts";
import { oddName, writePictures } from "./testing/searched-job.ts";

const folder = temporaryFolder();
beforeAll(() => writePictures(folder.in("pictures")));

async function sheetOf(names: readonly string[]): Promise<{ text: string; links: string[]; images: number }> {
  await mkdir(folder.in("sheets", "deep"), { recursive: true });
  const path = folder.in("sheets", "deep", "sheet.html");
  const pictures = names.map((image) => ({ image, cosine: 0.98765 }));
  const manifest = { folder: folder.in("pictures"), endpoint: null };
  await writeContactSheet(path, [{ heading: `like ${oddName}`, pictures }], { title: oddName, manifest });
  const text = await readFile(path, "utf8");
  const unescaped = (html: string) => html.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  const hrefs = [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => unescaped(href!));
  const links = hrefs.map((href) => new URL(href, pathToFileURL(path)).href);
  return { text, links, images: text.split("<img ").length - 1 };
}

it("holds its thumbnails, and opens the pictures relative to the page, whatever their names", async () => {
  const { text, links, images } = await sheetOf(["chelsea.png", oddName]);
  expect(images).toBe(2);
  expect(links.map((link) => existsSync(fileURLToPath(link)))).toEqual([true, true]);
  expect(text.match(/(href|src)="(?!\.\/|data:image\/webp;base64,)[^"]*"/)).toBeNull();
  expect(text).toContain("<b>0.9877</b> chelsea.png");
});

it("shows names as text, never as HTML", async () => {
  const { text } = await sheetOf([oddName]);
  expect(text).not.toContain("<b onclick");
  expect(text.split("&#60;b onclick=&#34;alert(&#39;1&#39;)&#34;&#62;&#38;amp; 100%#?.jpg")).toHaveLength(6);
});

it("says why a picture has no thumbnail, and links what a browser opens", async () => {
  const { text, links, images } = await sheetOf(["broken.png", "gone.png", "javascript:alert(1)"]);
  expect(images).toBe(0);
  expect(text).toMatch(/gone\.png: not found/);
  expect(links.map((link) => new URL(link).protocol)).toEqual(["file:", "file:", "file:"]);
});

it("shows a thousand pictures, and how many it leaves out", async () => {
  const { text } = await sheetOf(Array.from({ length: 1003 }, (_, i) => `gone-${i}.png`));
  expect(text.split("<figure>")).toHaveLength(1001);
  expect(text).toContain("3 more pictures are not shown");
});
