import {
  type Backend,
  bind,
  fixtureInput,
  fixtureWeights,
  ResidualError,
  reference,
  resnet,
  type Signal,
  variants,
} from "@residual/core";
import { type BackendName, backendNamed, chooseBackend, installCommand } from "@residual/pipeline";
import { decodeImage, describePictures } from "@residual/vision";

export interface BackendHealth {
  readonly name: string;
  readonly available: boolean;
  readonly version: string | null;
  readonly device: string | null;
  readonly driver: string | null;
  /** Whether a small network gave the reference's answer just now. */
  readonly verified: boolean;
  readonly reason: string | null;
  readonly install: string | null;
}

/** The picture decoder in use, and the reason. */
export interface PicturesHealth extends Omit<BackendHealth, "device" | "driver"> {
  readonly formats: readonly string[];
}

/** Tries a backend on a small network. */
export async function examineBackend(name: BackendName, signal: Signal): Promise<BackendHealth> {
  const install = await installCommand(name).catch(() => ""); // without its adapter, which is reported below
  try {
    const backend = await backendNamed(name);
    const { version, device, driver } = await backend.describe();
    const verified = await givesTheReferencesAnswer(backend, signal);
    const reason = verified ? null : "its results differ from the reference's";
    return { name, available: true, version, device, driver: driver ?? null, verified, reason, install: null };
  } catch (error) {
    const missing = { name, available: false, version: null, device: null, driver: null, verified: false };
    return { ...missing, ...wayOut(error, install) };
  }
}

/** Finds the picture decoder, and decodes a PNG and a JPEG of one pixel. */
export async function examinePictures(): Promise<PicturesHealth> {
  const { library, formats, reason = null } = await describePictures();
  const [, name = library, version = null] = /^(\S+) (\S+)/.exec(library) ?? [];
  const install = /npm install .*$/.exec(reason ?? "")?.[0] ?? null;
  const wrong = await wrongPixels();
  return { name, available: true, version, verified: wrong === null, reason: wrong ?? reason, install, formats };
}

async function wrongPixels(): Promise<string | null> {
  try {
    for (const [file, pixel] of pictures) {
      const { data } = await decodeImage(Buffer.from(file, "base64"));
      if (!Buffer.from(data).equals(Buffer.from(pixel))) return "its pixels are wrong";
    }
    return null;
  } catch (error) {
    return error instanceof ResidualError ? error.message : String(error);
  }
}

/** A PNG and a JPEG of one pixel, and the pixel. */
const pictures = [
  ["iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP438AAAAQBAYDFKhhdAAAAAElFTkSuQmCC", [255, 128, 0]],
  [
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE" +
      "BAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AP//Z",
    [128, 128, 128],
  ],
] as const;

/** The packages that backends in a page need besides the browser. */
const ofPages: { readonly [Name in BackendName]?: readonly string[] } = {
  webgpu: [],
  wasm: [],
  onnx: ["onnxruntime-web"],
  "tfjs-wasm": ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-wasm"],
  "tfjs-webgpu": ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"],
  "tfjs-webgl": ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgl"],
  "tfjs-cpu": ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-cpu"],
};

/** The backends for pages, from the packages installed here; no page is opened. */
export function examineBrowser(): readonly string[] {
  const found = Object.entries(ofPages).filter(([, packages]) => packages.every(isInstalled));
  return found.map(([name]) => name);
}

function isInstalled(name: string): boolean {
  try {
    return import.meta.resolve(name) !== "";
  } catch {
    return false;
  }
}

/** The backend that `auto` takes, and the reason. */
export interface Auto {
  readonly name: string;
  readonly reason: string;
}

/** Multiply-adds of ResNet-50. */
const LARGE = 4.1e9;

/** The backend that `auto` takes here for a small network, and for a large network. */
export async function examineAuto(): Promise<Auto & { readonly large: Auto }> {
  const choose = async (macs: number) => {
    const { backend, reason } = await chooseBackend("auto", { macs, onWarning: () => {} });
    return { name: backend.name, reason };
  };
  return { ...(await choose(0)), large: await choose(LARGE) };
}

/** The reason of any thrown value: a native library may throw values that are not errors. */
function wayOut(error: unknown, install: string): { readonly reason: string; readonly install: string | null } {
  const reason = error instanceof ResidualError ? error.message : String(error);
  // unless a driver is missing
  return { reason, install: install !== "" && reason.includes(install) ? install : null };
}

/**
 * ResNet-20 on the fixture's image: the error of torch's float32 is 1.3e-7 of the largest logit; ten times that is
 * allowed.
 */
async function givesTheReferencesAnswer(backend: Backend, signal: Signal): Promise<boolean> {
  const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
  const graph = bind(model, fixtureWeights(model, "v1"));
  const image = fixtureInput("v1", [1, 3, 32, 32]);
  const [expected, found] = await Promise.all(
    [reference, backend].map(async (each) => {
      await using executable = await each.compile(graph, { signal });
      return (await executable.run({ image }, { signal })).logits.data;
    }),
  );
  const largest = Math.max(...Array.from(expected!, Math.abs));
  return expected!.every((value, i) => Math.abs(value - found![i]!) <= 1.3e-6 * largest);
}
