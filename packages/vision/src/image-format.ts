import { FormatError } from "@residual/core";

/** The formats that are read. PNM: PBM, PGM and PPM. */
export const imageFormats = ["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "PNM"] as const;

export type ImageFormat = (typeof imageFormats)[number];

/** How files begin, as latin-1. */
const starts: readonly (readonly [start: RegExp, format: ImageFormat])[] = [
  [/^\xff\xd8\xff/, "JPEG"],
  [/^\x89PNG\r\n/, "PNG"],
  [/^RIFF....WEBP/s, "WebP"],
  [/^GIF8[79]a/, "GIF"],
  [/^(II[*+]\0|MM\0[*+])/, "TIFF"],
  [/^BM/, "BMP"],
  [/^P[1-6][\s#]/, "PNM"],
];

/** Unsupported image formats, with advice. */
const others: readonly (readonly [start: RegExp, found: string, wayOut: string])[] = [
  [
    /^....ftyp(avif|avis)/s,
    "AVIF",
    "AVIF's decoders differ by more than rounding, so it is not read; convert it to PNG (avifdec cat.avif cat.png)",
  ],
  [
    /^....ftyp(hei[cfmsx]|hev[cx]|mif1|msf1)/s,
    "HEIC",
    "convert it to JPEG (macOS: sips -s format jpeg cat.heic --out cat.jpg; Linux: heif-convert cat.heic cat.jpg), or " +
      "have the phone save its photos as JPEG",
  ],
  [/^....ftyp/s, "a video", "give a picture of it"],
  [/^\0\0\0\fjP {2}\r\n/, "JPEG 2000", "convert it to PNG"],
  [/^(\xff\n|\0\0\0\fJXL )/, "JPEG XL", "convert it to PNG"],
  [/^\0\0\p{Cc}\0/u, "an icon (ICO)", "convert it to PNG"],
  [/^8BPS/, "a Photoshop document", "convert it to PNG"],
  [/^P[7fF]\n/, "PAM or PFM", "convert it to PNG"],
  [/^\s*<(\?xml|svg|!--)/i, "SVG or XML", "convert it to PNG"],
  [/^\s*<(!doctype|html)/i, "an HTML page", "give the address of the picture itself"],
  [/^$/, "an empty file", "make or download it again"],
  [/^%PDF/, "PDF", "convert it to PNG"],
];

/**
 * The format of the bytes, whatever the file's name. Determined before any decoder runs: SVG and similar formats are
 * programs. Throws FormatError for an unknown format.
 */
export function imageFormatOf(bytes: Uint8Array): ImageFormat {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  const known = starts.find(([pattern]) => pattern.test(start));
  if (known) return known[1];
  const [, found, wayOut] = others.find(([pattern]) => pattern.test(start)) ?? [
    "",
    describe(start),
    "convert it to PNG",
  ];
  throw new FormatError(`found ${found}, expected JPEG, PNG, WebP, GIF, TIFF, BMP, PGM or PPM; ${wayOut}`);
}

function describe(start: string): string {
  if (/^[\t\n\r -~]+$/.test(start)) return `text that begins ${JSON.stringify(start)}`;
  return `bytes ${Array.from(start, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join(" ")}`;
}
