import { readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { damaged, pick, type Random } from "./random.ts";
import type { Body } from "./wire.ts";

const photo = (name: string): Uint8Array => readFileSync(new URL(`../../../../../photos/${name}`, import.meta.url));

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A grey PNG of a width and a height, with as many bytes of pixels as are given. */
function png(width: number, height: number, bytes: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(new Uint8Array(bytes))),
    chunk("IEND", new Uint8Array()),
  ]);
}

const small = png(32, 32, 32 * 33);
/** Small, so that thousands are decoded in a minute. */
const originals = [small, small, small, png(200, 100, 201 * 100), photo("rocket.jpg")];
/** Decompression bombs: sizes beyond any limit, and pixels that are more than the size says. */
const bombs = [
  png(2 ** 31 - 1, 2 ** 31 - 1, 10),
  png(50_000, 50_000, 10_000),
  png(0, 7, 10),
  png(13_000, 13_000, 1000),
  png(1, 1, 2 ** 26),
  png(32, 32, 5),
];
const magics = [
  "GIF89a",
  "BM",
  "RIFF\x10\0\0\0WEBPVP8 ",
  "II*\0",
  "\xff\xd8\xff\xe0",
  "P6\n99999999 99999999\n255\n",
  "P1\n#",
];

function pictureOf(random: Random): Uint8Array {
  const makers: readonly (() => Uint8Array)[] = [
    () => pick(random, originals),
    () => pick(random, originals),
    () => damaged(random, pick(random, originals)),
    () => damaged(random, pick(random, originals)),
    () => pick(random, bombs),
    () =>
      Buffer.concat([
        Buffer.from(pick(random, magics), "latin1"),
        Uint8Array.from({ length: random(200) }, () => random(256)),
      ]),
    () =>
      Buffer.from(
        pick(random, ["", "<svg xmlns='http://www.w3.org/2000/svg'/>", "\0\0\0 ftypavif", "%PDF-1.7"]),
        "latin1",
      ),
  ];
  return pick(random, makers)();
}

const names = ["a.png", "../../etc/passwd", "", "a\0b", '"', "é".repeat(300), "n".repeat(70_000), "C:\\con"];

function part(random: Random, boundary: string): Buffer {
  const file = random(6) === 0 ? "" : `; filename="${pick(random, names)}"`;
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="image"${file}\r\nContent-Type: image/png\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), pictureOf(random), Buffer.from("\r\n")]);
}

function form(random: Random): Body {
  const boundary = pick(random, ["b", "b", "-".repeat(200), "x y"]);
  const count = pick(random, [1, 1, 2, 3, 0, 200]);
  const parts = Array.from({ length: count }, () => part(random, boundary));
  const said =
    random(8) === 0 ? pick(random, ["", "; boundary=", "; boundary=other", '; boundary="b']) : `; boundary=${boundary}`;
  const end = random(8) === 0 ? "" : `--${boundary}--\r\n`;
  return { headers: [`Content-Type: multipart/form-data${said}`], bytes: Buffer.concat([...parts, Buffer.from(end)]) };
}

/** A picture as the body, or a form with pictures; often damaged. */
export function pictureBody(random: Random): Body {
  if (random(3) > 0) {
    const type = pick(random, ["image/png", "application/octet-stream", "text/plain; charset=utf-16", ""]);
    return { headers: type === "" ? [] : [`Content-Type: ${type}`], bytes: pictureOf(random) };
  }
  const { headers, bytes } = form(random);
  return { headers, bytes: random(4) === 0 && bytes.length > 0 ? damaged(random, bytes) : bytes };
}
