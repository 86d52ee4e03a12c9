import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, photo, residual, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const where = () => ({ cwd: folder.path });

beforeAll(async () => {
  await mkdir(folder.in("pictures"));
  for (const name of ["chelsea.png", "coffee.png", "rocket.jpg"])
    await copyFile(photo(name), folder.in(`pictures/${name}`));
  await copyFile(photo("rocket.jpg"), folder.in("pictures/copy.jpg"));
  await writeFile(folder.in("pictures/broken.png"), "no picture");
  const flags = ["--outputs", "predictions,embedding", "--backend", "wasm", "--workers", "1", "--batch", "2"];
  await succeed(["bulk", "run", "--input", "pictures", "--out", "out", ...flags], where());
}, 60_000);

it("bulk index says how many pictures have an embedding", async () => {
  const found = await document(["bulk", "index", "out"], where());
  expect(found).toEqual({ out: folder.in("out"), images: 5, pictures: 4, dimensions: 64 });
});

it("search prints the nearest pictures, and writes a contact sheet", async () => {
  const words = ["search", "out", photo("rocket.jpg"), "--top", "3", "--html", "sheet.html"];
  const { stdout, stderr } = await succeed(words, where());
  expect(stdout).toMatch(
    /^1\.0000 {2}pictures\/copy\.jpg\n1\.0000 {2}pictures\/rocket\.jpg\n0\.\d{4} {2}pictures\/c.*\n$/,
  );
  expect(stderr).toMatch(/^1 picture without an embedding: .*\ncompared with 4 pictures in .*\nwrote sheet\.html\n$/);
  const sheet = await readFile(folder.in("sheet.html"), "utf8");
  expect(sheet.match(/href="[^"]*"/g)?.slice(0, 2)).toEqual([
    'href="./pictures/copy.jpg"',
    'href="./pictures/rocket.jpg"',
  ]);
});

it("search --json is one document", async () => {
  const found = await document(["search", "out", photo("rocket.jpg"), "--top", "1"], where());
  const nearest = [{ image: "pictures/copy.jpg", cosine: 1 }];
  expect(found).toEqual({ image: photo("rocket.jpg"), pictures: 4, nearest });
});

it("search --duplicates groups near duplicates", async () => {
  const found = await document(["search", "out", "--duplicates", "0.98"], where());
  const group = ["copy.jpg", "rocket.jpg"].map((name) => ({ image: `pictures/${name}`, cosine: 1 }));
  expect(found).toEqual({ threshold: 0.98, groups: [group] });
});

it.each([
  [["out"], "UsageError: give a picture to search for, or --duplicates 0.98 to compare the job's own\n", 2],
  [["out", "cat.png", "--duplicates", "0.9"], "UsageError: give a picture to search for, or --duplicates 0.98", 2],
  [["out", "--duplicates", "98"], "expected a cosine above 0, up to 1", 2],
  [["out", "missing.png"], "FormatError: missing.png: not found", 1],
  [["nowhere", "cat.png"], "JobError: nowhere: there is no manifest.json; name the folder of a job", 1],
  [["out", "cat.png", "--html", "cat.png"], "UsageError: --html cat.png: expected a name that ends in .html\n", 2],
  [["out", "cat.png", "--html", "none/sheet.html"], "FormatError: none/sheet.html: there is no folder none", 1],
])("search %j is refused", async (words, message, code) => {
  expect(await residual(["search", ...words], where())).toMatchObject({
    code,
    stdout: "",
    stderr: expect.stringContaining(message) as string,
  });
});
