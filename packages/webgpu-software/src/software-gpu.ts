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

/** The exports of Dawn's native module. */
interface Dawn {
  readonly create: (options: readonly string[]) => Gpu;
  readonly globals: object;
}

let opened: Promise<Gpu> | undefined;

/**
 * A `GPU` whose only adapter is SwiftShader: WebGPU on the CPU, without a driver or libraries of the system. For tests
 * and demos on bare machines; a system Vulkan driver (Mesa's lavapipe) is several times faster. Each call returns the
 * same object.
 *
 * SwiftShader comes from Chromium's build for servers. Dawn first looks for Vulkan in its own folder, so both are
 * copied once into a folder of the cache (8 MB plus Dawn). The folder is used if no other user can write to it and its
 * files equal the packages'; otherwise a temporary folder of this process is used. Sets VK_ICD_FILENAMES and WebGPU's
 * globals. Before a worker thread calls it, the main thread must have called it. Throws BackendUnavailableError on
 * systems other than Linux x64, and if `webgpu` is not installed.
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
    opened = undefined; // the missing part may be there at the next call
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

/** The files that are copied. */
interface Parts {
  /** Dawn's native module. */
  readonly dawn: string;
  /** SwiftShader, compressed. */
  readonly packed: string;
  /** Changes with the versions of both. */
  readonly name: string;
}

/** SHA-256 of the compressed file of @sparticuz/chromium, at the pinned version. */
const SWIFTSHADER = {
  "libvk_swiftshader.so": "2f3ceffaaca7d031bc3943f8eacf398a5d9c42c5fe0d15d8840b9acfa630b58e",
  "libvulkan.so.1": "8ee5ac00fd7968e863b05e0f6808057db16a00ad322777e5a05bed51d4f84085",
  "vk_swiftshader_icd.json": "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

/** The folder with both: in the user's cache, created on first use; else a temporary folder of this process. */
async function prepared(): Promise<string> {
  const parts = await partsOf();
  const cached = await inCache(parts).catch(() => undefined); // the cache is full or read-only
  if (cached !== undefined) return cached;
  // Not a predictable name in the temporary folder: other users could place their code there.
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

/** Undefined if other users can write to the cache folder. */
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

/** Whether the files equal the packages', and no other user can change them. */
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
