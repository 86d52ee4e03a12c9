import { ResidualError } from "@residual/core";
import { crop, decodeImage, imagenet, normalize, type Pixels } from "../browser.ts";

/** A picture of the goldens in this browser: `same` as Pillow's and torchvision's bits, `differs`, or the error. */
export interface GoldenOutcome {
  readonly name: string;
  readonly outcome: string;
}

interface Answer {
  readonly size: readonly number[];
  readonly rgb?: string;
  readonly sha256?: string;
}
interface Recorded extends Answer {
  readonly name: string;
  readonly file: string;
  readonly upright?: Answer;
}
interface Case {
  readonly image: string;
  readonly mode: string;
  readonly variant: string;
  readonly decodedSize: readonly number[];
  readonly decodedRgbSha256: string;
  readonly expectedSha256: string;
  readonly probes: readonly { readonly x: number; readonly y: number; readonly normalized: readonly number[] }[];
}

/** Decodes every golden picture, and preprocesses the photos. `golden` is the address of packages/vision/golden/. */
export async function goldenOutcomes(golden: string): Promise<readonly GoldenOutcome[]> {
  const read = async (path: string): Promise<unknown> => (await fetch(`${golden}${path}`)).json();
  const formats = (await read("formats/pictures.json")) as { readonly pictures: readonly Recorded[] };
  const codings = (await read("codings/pictures.json")) as {
    readonly pictures: readonly Recorded[];
    readonly sharpAlone: readonly Recorded[];
  };
  const { cases } = (await read("preprocess/manifest.json")) as { readonly cases: readonly Case[] };
  const outcomes: GoldenOutcome[] = [];
  const rare = codings.sharpAlone.map((each) => ({ ...each, name: `rare ${each.name}` }));
  for (const recorded of [...formats.pictures, ...codings.pictures, ...rare]) {
    for (const upright of [false, true]) {
      const name = `${recorded.name}${upright ? ", upright" : ""}`;
      const answer = (upright && recorded.upright) || recorded;
      outcomes.push({ name, outcome: await outcomeOf(() => ofRecorded(recorded.file, answer, upright)) });
    }
  }
  for (const each of cases) {
    if (each.mode === "I" && each.variant === "as-is") continue; // Pillow clips 16-bit grey
    const work = () => ofCase(`${golden}preprocess/${each.image}`, each);
    outcomes.push({ name: `${each.image}, ${each.variant}`, outcome: await outcomeOf(work) });
  }
  return outcomes;
}

async function outcomeOf(work: () => Promise<boolean>): Promise<string> {
  try {
    return (await work()) ? "same" : "differs";
  } catch (error) {
    return error instanceof ResidualError
      ? `${error.code}: ${error.message}`
      : `an error of another kind: ${String(error)}`;
  }
}

async function ofRecorded(file: string, answer: Answer, upright: boolean): Promise<boolean> {
  const pixels = await decodeImage(decodeBase64(file), { upright });
  const digest = answer.sha256 ?? (await sha256(decodeBase64(answer.rgb!)));
  return isSame(pixels, answer.size, digest);
}

async function ofCase(address: string, expected: Case): Promise<boolean> {
  const pixels = await decodeImage(address, { upright: expected.variant === "upright" });
  if (!(await isSame(pixels, expected.decodedSize, expected.decodedRgbSha256))) return false;
  const cropped = crop(pixels, imagenet);
  const { data } = normalize(cropped, imagenet);
  const areProbesSame = expected.probes.every(({ x, y, normalized }) =>
    normalized.every((value, channel) => data[(channel * 224 + y) * 224 + x] === value),
  );
  return areProbesSame && (await sha256(cropped.data)) === expected.expectedSha256;
}

async function isSame({ width, height, data }: Pixels, size: readonly number[], digest: string): Promise<boolean> {
  return width === size[0] && height === size[1] && (await sha256(data)) === digest;
}

export function decodeBase64(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
