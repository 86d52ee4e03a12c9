import { BackendUnavailableError } from "@residual/core";
import type { AdapterInfo } from "./gpu-types.ts";

export type { AdapterInfo, Gpu, GpuAdapter, GpuBuffer, GpuDevice, GpuPipeline, GpuSource } from "./gpu-types.ts";

/** The npm package of Dawn, Chromium's WebGPU, for Node. Browsers, Deno and Bun have their own WebGPU. */
const DAWN = "webgpu";

/** The exports of the package. */
interface Dawn<Gpu> {
  readonly create: (flags: readonly string[]) => Gpu;
  readonly globals: object;
}

/**
 * A source of adapters, and the name of its library. Dawn ends the process if `gpu` is garbage-collected while a device
 * is in use.
 */
export interface PlatformGpu<Gpu> {
  readonly gpu: Gpu;
  readonly library: string;
  readonly version: string;
}

/** Imports a module or JSON file on behalf of the package that declares it as a peer. */
type Import = (name: string) => Promise<unknown>;

/** Whether this runs in a browser's page or worker: all other platforms have `process`. */
export function isBrowser(): boolean {
  const { process, Deno } = globalThis as { process?: { versions?: { node?: string } }; Deno?: object };
  return process?.versions?.node === undefined && Deno === undefined;
}

/**
 * The platform's GPU: `navigator.gpu` if present, else a new one from Dawn, with flags (`enable-dawn-features=…`).
 * Defines Dawn's globals (`GPUBufferUsage`, …), as its documentation asks.
 *
 * Throws BackendUnavailableError in a browser without WebGPU, and if the package is not installed or does not load;
 * `owner` is the backend named in the message.
 */
export async function platformGpu<Gpu>(
  owner: string,
  importFrom: Import,
  flags: readonly string[] = [],
): Promise<PlatformGpu<Gpu>> {
  const scope: { readonly navigator?: object } = globalThis; // typed without the DOM
  const own: { readonly gpu?: Gpu; readonly userAgent?: string } | undefined = scope.navigator;
  if (own?.gpu) return { gpu: own.gpu, library: "navigator.gpu", version: own.userAgent ?? "unknown" };
  if (isBrowser()) throw new BackendUnavailableError(`${owner}: ${reasonOfBrowser()}`);
  try {
    const { create, globals } = (await importFrom(DAWN)) as Dawn<Gpu>;
    const manifest = await importFrom(`${DAWN}/package.json`);
    const { version } = (manifest as { readonly default: { readonly version: string } }).default;
    Object.assign(globalThis, globals);
    return { gpu: create([...flags]), library: DAWN, version };
  } catch (cause) {
    throw new BackendUnavailableError(`${owner}: ${reasonOf(cause)}`, { cause });
  }
}

/** Browsers offer WebGPU only to pages of a secure origin. */
function reasonOfBrowser(): string {
  const { isSecureContext } = globalThis as { isSecureContext?: boolean };
  return isSecureContext === false
    ? "this page has no WebGPU, since it is not secure; serve it over https, or from localhost"
    : "this browser has no WebGPU here; use Chrome or Edge 113, Safari 26 or Firefox 141, or newer ones, where it may have to be enabled, or take another backend";
}

function reasonOf(cause: unknown): string {
  if ((cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND")
    return `${DAWN} is not installed; npm install ${DAWN}`;
  const why = cause instanceof Error ? cause.message : String(cause);
  return `${DAWN} does not load (${why}); npm install ${DAWN}`;
}

/**
 * The adapter's name: `nvidia-geforce-rtx-4090`; without a device name `nvidia ampere`. Deno reports numbers as vendor
 * and device, which are no names.
 */
export function adapterName({ vendor, architecture, device, description }: AdapterInfo): string {
  const isName = (text: string) => !/^\d*$/.test(text);
  const family = [vendor, architecture].filter(isName).join(" ");
  const slug = isName(device) ? device.replace(/-+$/, "") : ""; // Dawn replaces a bracket at the end by a hyphen
  return slug || description || family || "an adapter without a name";
}

/** The driver and its version. Dawn reports both as the description; most browsers report neither. */
export function adapterDriver({ description }: AdapterInfo): string | undefined {
  return description || undefined;
}

/** Whether the adapter runs on the CPU: lavapipe, SwiftShader, WARP, or a browser's fallback adapter. */
export function isSoftwareAdapter({ isFallbackAdapter, description, device, architecture }: AdapterInfo): boolean {
  const words = [description, device, architecture].join(" ");
  return isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader|warp/i.test(words);
}

/** Advice for a browser without an adapter. */
const BROWSER_SETTINGS =
  "turn hardware acceleration on in the browser's settings, and on Linux WebGPU at chrome://flags/#enable-unsafe-webgpu " +
  "(chrome://gpu tells the reason)";

const DRIVER = "install a Vulkan driver (on Debian: apt install mesa-vulkan-drivers, 24 or newer)";

/**
 * The error for a platform without an adapter, with the way out: browser settings, or packages to install.
 * `alternatives` are named only on platforms that can install packages.
 */
export function noAdapter(owner: string, ...alternatives: readonly string[]): BackendUnavailableError {
  const ways = isBrowser() ? [BROWSER_SETTINGS] : [DRIVER, ...alternatives];
  return new BackendUnavailableError(`${owner}: there is no GPU adapter; ${ways.join(", or ")}`);
}
