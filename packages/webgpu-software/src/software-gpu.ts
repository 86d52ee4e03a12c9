/// <reference types="@webgpu/types" preserve="true" />
import { createReadStream } from "node:fs";
import { access, copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { BackendUnavailableError } from "@residual/core";
import { extract } from "tar-fs";

const { resolve } = createRequire(import.meta.url);

/** What Dawn's native module exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: object;
}

let opened: Promise<Dawn> | undefined;

/**
 * A `GPU` whose one adapter is SwiftShader: WebGPU on the CPU, with no driver and nothing of the system. For tests and demos on bare
 * machines; a Vulkan driver of the system (Mesa's lavapipe) is several times faster.
 *
 * SwiftShader comes out of Chromium's build for servers. Dawn looks for Vulkan beside its own file first, so both are put into one
 * folder of the cache (8 MB beside Dawn's own), once. Sets VK_ICD_FILENAMES and WebGPU's globals; of a worker thread the main thread
 * has to have called it first. Throws BackendUnavailableError on other systems than Linux x64, and where `webgpu` is not installed.
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

/** The folder with all of it, made where it is not there yet. */
async function prepared(): Promise<string> {
  const dawn = join(dirname(located("webgpu")), "dist/linux-x64/dawn.node");
  const chromium = dirname(dirname(located("@sparticuz/chromium"))); // its entry is in build/
  const versions = await Promise.all([chromium, dirname(dirname(dirname(dawn)))].map(versionOf));
  const folder = join(await cacheFolder(), ["swiftshader", ...versions].join("-"));
  if (await exists(join(folder, "dawn.node"))) return folder;
  const part = `${folder}.${process.pid}`;
  await mkdir(part, { recursive: true });
  try {
    const packed = createReadStream(join(chromium, "bin/swiftshader.tar.br"));
    const wanted = { ignore: (name: string) => /lib(EGL|GLESv2)\.so$/.test(name) };
    await pipeline(packed, createBrotliDecompress(), extract(part, wanted));
    await copyFile(dawn, join(part, "dawn.node"));
    await rename(part, folder).catch((error: unknown) => ifMissing(folder, error)); // another process may have been first
  } finally {
    await rm(part, { recursive: true, force: true });
  }
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

/** The user's own, or one for this machine where there is no home that can be written to. */
async function cacheFolder(): Promise<string> {
  const own = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "residual");
  return mkdir(own, { recursive: true }).then(
    () => own,
    () => join(tmpdir(), "residual"),
  );
}

async function ifMissing(path: string, error: unknown): Promise<void> {
  if (!(await exists(path))) throw error;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
