import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { BackendUnavailableError, ResidualError, throwIfAborted, type WorkOptions } from "@residual/core";
import { writeAtomic } from "@residual/kit/files";
import { Html, html } from "@residual/kit/html";
import { isUrl, type Manifest, pictureBytes } from "@residual/shards";
import type { Neighbour } from "./nearest.ts";
import { thumbnailOf } from "./thumbnail.ts";

export interface SheetGroup {
  readonly heading: string;
  readonly pictures: readonly Neighbour[];
}

export interface SheetOptions extends WorkOptions {
  readonly title: string;
  /** Tells where the pictures are. */
  readonly manifest: Pick<Manifest, "folder" | "endpoint">;
}

/** The most pictures of a sheet: a page of more is slow to open. */
const MOST = 1000;

/**
 * Writes a page of thumbnails that needs no other file. A thumbnail opens its picture, at its URL or at a path relative
 * to the page. A picture that cannot be read has its error instead. Progress counts pictures.
 *
 * Throws BackendUnavailableError without sharp, which encodes the thumbnails; FormatError if the page cannot be
 * written; AbortError.
 */
export async function writeContactSheet(
  path: string,
  groups: readonly SheetGroup[],
  { title, manifest, signal, onProgress }: SheetOptions,
): Promise<void> {
  const count = groups.reduce((sum, { pictures }) => sum + pictures.length, 0);
  const total = Math.min(MOST, count);
  let done = 0;
  const sections: Html[] = [];
  for (const { heading, pictures } of groups) {
    const figures: Html[] = [];
    for (const picture of pictures.slice(0, total - done)) {
      throwIfAborted(signal);
      const link = linkTo(picture.image, manifest.folder, dirname(resolve(path)));
      figures.push(figure(picture, link, await thumbnail(picture.image, manifest, signal)));
      onProgress?.({ stage: "thumbnails", done: ++done, total });
    }
    if (figures.length > 0) sections.push(html`<h2>${heading}</h2>\n<div>\n${figures}</div>\n`);
  }
  const left = count - total;
  const note = left > 0 ? html`<p>${left} more pictures are not shown; --json lists all.</p>\n` : undefined;
  await writeAtomic([{ path, pieces: [new TextEncoder().encode(page(title, [sections, note]))] }], { signal });
}

/** An image as HTML, or the reason why there is none. */
async function thumbnail(
  image: string,
  manifest: SheetOptions["manifest"],
  signal: SheetOptions["signal"],
): Promise<Html> {
  try {
    const bytes = await thumbnailOf(await pictureBytes(image, manifest), signal);
    return html`<img alt="${image}" src="data:image/webp;base64,${Buffer.from(bytes).toString("base64")}">`;
  } catch (error) {
    const isOfPicture = error instanceof ResidualError && !(error instanceof BackendUnavailableError);
    if (!isOfPicture || signal?.aborted) throw error;
    return html`<span>${error.message}</span>`;
  }
}

function figure({ image, cosine }: Neighbour, link: string | undefined, inner: Html): Html {
  const linked = link === undefined ? inner : html`<a href="${link}">${inner}</a>`;
  return html`<figure>${linked}<figcaption><b>${cosine.toFixed(4)}</b> ${image}</figcaption></figure>\n`;
}

/**
 * The address of a picture for a page in `folder`: its http(s) URL, or its path relative to the page. Undefined for
 * other URLs, which browsers do not open.
 */
function linkTo(image: string, base: string, folder: string): string | undefined {
  if (isUrl(image)) return /^http/i.test(image) ? image : undefined;
  const picture = resolve(base, image);
  const path = relative(folder, picture);
  if (isAbsolute(path)) return pathToFileURL(picture).href; // on another drive of Windows
  const parts = path.split(sep).map((part) => encodeURIComponent(part.toWellFormed()));
  return `./${parts.join("/")}`; // a name may hold a colon, as a scheme does
}

function page(title: string, content: readonly (Html | undefined | readonly Html[])[]): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<h1>${title}</h1>
${content}</body>
</html>
`.text;
}

const style = `
:root { color-scheme: light dark; --soft: light-dark(#5c6670, #9aa4af); --raised: light-dark(#f1f3f5, #20252b); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1rem; background: light-dark(#fff, #14171a);
  color: light-dark(#1b1f24, #e6e8eb); font: 15px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
div { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .75rem; }
figure { margin: 0; } figcaption { padding: .3rem .1rem; font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; }
b { color: light-dark(#1b1f24, #e6e8eb); }
img, span { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--raised);
  border-radius: .4rem; } span { padding: .5rem; overflow: auto; font-size: .75rem; overflow-wrap: anywhere; }
a:hover img, a:focus-visible img { outline: 2px solid light-dark(#2f6db5, #8cbcf2); }
`;
