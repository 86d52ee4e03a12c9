import { createReadStream } from "node:fs";
import { access, chmod, copyFile, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { BackendUnavailableError, UnsupportedError } from "@residual/core";
import { cacheFolder, makeFolder, temporaryFolder, writeFolderAtomic } from "@residual/kit/files";
import type { Gpu } from "@residual/kit/gpu";
import { extract } from "tar-fs";
import { isPrivate, sha256 } from "./trust.ts";

const { resolve } = createRequire(import.meta.url);

/** What Dawn's native module exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => Gpu;
  readonly globals: object;
}

let opened: Promise<Gpu> | undefined;

/**
 * A `GPU` whose one adapter is SwiftShader: WebGPU on the CPU, with no driver and nothing of the system. For tests and
 * demos on bare machines; a Vulkan driver of the system (Mesa's lavapipe) is several times faster. Each call gives the
 * same one.
 *
 * SwiftShader comes out of Chromium's build for servers. Dawn looks for Vulkan beside its own file first, so both are
 * put into one folder of the cache (8 MB beside Dawn's own), once. The folder is used if nobody else can write to it
 * and its files are those of the packages; else one that is this process's alone. Sets VK_ICD_FILENAMES and WebGPU's
 * globals; of a worker thread the main thread has to have called it first. Throws BackendUnavailableError on other
 * systems than Linux x64, and where `webgpu` is not installed.
 */
export async function softwareGpu(): Promise<Gpu> {
  const { platform, arch } = process;
  if (platform !== "linux" || arch !== "x64") {
    throw new BackendUnavailableError(
      `webgpu-software: SwiftShader is for linux x64, this is ${platform} ${arch}; use the system's own GPU driver`,
    );
  }
  opened ??= open();
  opened.catch(() => {
    opened = undefined; // what is missing may be there by the next call
  });
  return opened;
}

async function open(): Promise<Gpu> {
  const folder = await prepared();
  process.env.VK_ICD_FILENAMES = join(folder, "vk_swiftshader_icd.json");
  const module = { exports: {} as Dawn };
  process.dlopen(module, join(folder, "dawn.node"));
  const { create, globals } = module.exports;
  Object.assign(globalThis, globals);
  return create([]);
}

/** The files that are put together. */
interface Parts {
  /** Dawn's own file. */
  readonly dawn: string;
  /** SwiftShader, packed. */
  readonly packed: string;
  /** Changes with the versions of both. */
  readonly name: string;
}

/** SHA-256 of what @sparticuz/chromium packs, at the version that is depended on. */
const SWIFTSHADER = {
  "libvk_swiftshader.so": "2f3ceffaaca7d031bc3943f8eacf398a5d9c42c5fe0d15d8840b9acfa630b58e",
  "libvulkan.so.1": "8ee5ac00fd7968e863b05e0f6808057db16a00ad322777e5a05bed51d4f84085",
  "vk_swiftshader_icd.json": "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

/**
 * The folder with all of it: in the user's cache, made where it is not there yet, else a temporary one of this process.
 */
async function prepared(): Promise<string> {
  const parts = await partsOf();
  const cached = await inCache(parts).catch(() => undefined); // full, or read-only
  if (cached !== undefined) return cached;
  // Never a name in the temporary folder that others know: they could put code of theirs there.
  const folder = join((await temporaryFolder("webgpu-software")).path, parts.name);
  await writeFolderAtomic(folder, (part) => unpack(part, parts));
  if (await isSound(folder, parts)) return folder;
  throw new UnsupportedError(
    `webgpu-software: ${parts.packed} holds other files than expected; install @residual/webgpu-software again`,
  );
}

async function partsOf(): Promise<Parts> {
  const dawn = join(dirname(located("webgpu")), "dist/linux-x64/dawn.node");
  const chromium = dirname(dirname(located("@sparticuz/chromium"))); // its entry is in build/
  const versions = await Promise.all([chromium, dirname(dirname(dirname(dawn)))].map(versionOf));
  return { dawn, packed: join(chromium, "bin/swiftshader.tar.br"), name: ["swiftshader", ...versions].join("-") };
}

/** Undefined where the cache folder is not the user's alone. */
async function inCache(parts: Parts): Promise<string | undefined> {
  const cache = cacheFolder();
  if (cache === undefined) return undefined;
  await makeFolder(cache, 0o700);
  if (!(await isPrivate(cache))) return undefined;
  const folder = join(cache, parts.name);
  if (await exists(folder)) {
    if (await isSound(folder, parts)) return folder;
    if (!(await isPrivate(folder))) return undefined;
    await writeFolderAtomic(folder, (part) => unpack(part, parts)); // it was damaged
  } else {
    await writeFolderAtomic(folder, (part) => unpack(part, parts), "keep");
  }
  return (await isSound(folder, parts)) ? folder : undefined;
}

async function unpack(folder: string, { dawn, packed }: Parts): Promise<void> {
  await chmod(folder, 0o700);
  const wanted = { ignore: (name: string) => /lib(EGL|GLESv2)\.so$/.test(name) };
  await pipeline(createReadStream(packed), createBrotliDecompress(), extract(folder, wanted));
  await copyFile(dawn, join(folder, "dawn.node"));
}

/** Whether the files are those of the packages, and nobody else can change them. */
async function isSound(folder: string, { dawn }: Parts): Promise<boolean> {
  const expected = { ...SWIFTSHADER, "dawn.node": await sha256(dawn) };
  const sound = Object.entries(expected).map(async ([name, digest]) => {
    const path = join(folder, name);
    return (await exists(path)) && (await isPrivate(path)) && (await sha256(path)) === digest;
  });
  return (await Promise.all(sound)).every(Boolean);
}

function located(name: string): string {
  try {
    return resolve(name);
  } catch (cause) {
    throw new BackendUnavailableError(`webgpu-software: ${name} is not installed; npm install ${name}`, { cause });
  }
}

async function versionOf(folder: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string };
  return version;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
