import { FormatError } from "@residual/core";

/** How files begin, as latin-1, of the formats that are known to decode as Pillow decodes them. WebP: see below. */
const starts: readonly string[] = [
  "\x89PNG\r\n\x1a\n",
  "\xff\xd8\xff",
  "GIF87a",
  "GIF89a",
  "II*\0",
  "MM\0*",
  "II+\0",
  "MM\0+",
];

/** Image formats that people try, for the message. */
const others: readonly (readonly [start: RegExp, name: string])[] = [
  [/^BM/, "BMP"],
  [/^....ftyp(avif|avis)/s, "AVIF"],
  [/^....ftyp/s, "HEIC or a video"],
  [/^\s*<(\?xml|svg)/, "SVG or XML"],
  [/^%PDF/, "PDF"],
];

/**
 * Throws FormatError unless the bytes begin as a JPEG, PNG, WebP, GIF or TIFF file, whatever its name ends in. Told
 * before any decoder sees it: SVG and the like are programs more than images.
 */
export function checkImageFormat(bytes: Uint8Array, name: string): void {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  const isWebp = start.startsWith("RIFF") && start.startsWith("WEBP", 8); // the file's size stands between
  if (isWebp || starts.some((known) => start.startsWith(known))) return;
  throw new FormatError(`${name}: found ${describe(start)}, expected JPEG, PNG, WebP, GIF or TIFF; convert it to PNG`);
}

function describe(start: string): string {
  if (start === "") return "an empty file";
  const other = others.find(([pattern]) => pattern.test(start));
  if (other) return other[1];
  if (/^[\t\n\r -~]+$/.test(start)) return `text that begins ${JSON.stringify(start)}`;
  return `bytes ${Array.from(start, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join(" ")}`;
}
