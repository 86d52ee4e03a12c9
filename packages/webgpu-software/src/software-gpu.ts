/// <reference types="@webgpu/types" preserve="true" />
import { createReadStream } from "node:fs";
import { access, copyFile, mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { BackendUnavailableError } from "@residual/core";
import { cacheFolder, temporaryFolder, writeFolderAtomic } from "@residual/kit/files";
import { extract } from "tar-fs";

const { resolve } = createRequire(import.meta.url);

/** What Dawn's native module exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: object;
}

let opened: Promise<Dawn> | undefined;

/**
 * A `GPU` whose one adapter is SwiftShader: WebGPU on the CPU, with no driver and nothing of the system. For tests and
 * demos on bare machines; a Vulkan driver of the system (Mesa's lavapipe) is several times faster.
 *
 * SwiftShader comes out of Chromium's build for servers. Dawn looks for Vulkan beside its own file first, so both are
 * put into one folder of the cache (8 MB beside Dawn's own), once. Sets VK_ICD_FILENAMES and WebGPU's globals; of a
 * worker thread the main thread has to have called it first. Throws BackendUnavailableError on other systems than Linux
 * x64, and where `webgpu` is not installed.
 */
export async function softwareGpu(): Promise<GPU> {
  const { platform, arch } = process;
  if (platform !== "linux" || arch !== "x64") {
    throw new BackendUnavailableError(
      `webgpu-software: SwiftShader is for linux x64, this is ${platform} ${arch}; use the system's own GPU driver`,
    );
  }
  opened ??= open();
  const { create, globals } = await opened;
  Object.assign(globalThis, globals);
  return create([]);
}

async function open(): Promise<Dawn> {
  const folder = await prepared();
  process.env.VK_ICD_FILENAMES = join(folder, "vk_swiftshader_icd.json");
  const module = { exports: {} as Dawn };
  process.dlopen(module, join(folder, "dawn.node"));
  return module.exports;
}

/**
 * The folder with all of it: in the user's cache, made where it is not there yet, else a temporary one of this process.
 */
async function prepared(): Promise<string> {
  const dawn = join(dirname(located("webgpu")), "dist/linux-x64/dawn.node");
  const chromium = dirname(dirname(located("@sparticuz/chromium"))); // its entry is in build/
  const cache = cacheFolder();
  const isCached = cache !== undefined && (await canMake(cache));
  // Never a name in the temporary folder that others know: they could put code of theirs there.
  const parent = isCached ? cache : (await temporaryFolder("webgpu-software")).path;
  const versions = await Promise.all([chromium, dirname(dirname(dirname(dawn)))].map(versionOf));
  const folder = join(parent, ["swiftshader", ...versions].join("-"));
  if (await exists(join(folder, "dawn.node"))) return folder;
  const unpack = async (part: string) => {
    const packed = createReadStream(join(chromium, "bin/swiftshader.tar.br"));
    const wanted = { ignore: (name: string) => /lib(EGL|GLESv2)\.so$/.test(name) };
    await pipeline(packed, createBrotliDecompress(), extract(part, wanted));
    await copyFile(dawn, join(part, "dawn.node"));
  };
  await writeFolderAtomic(folder, unpack, "keep");
  return folder;
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

function canMake(folder: string): Promise<boolean> {
  return mkdir(folder, { recursive: true }).then(
    () => true,
    () => false,
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
