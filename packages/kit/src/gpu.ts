import { BackendUnavailableError } from "@residual/core";
import type { AdapterInfo } from "./gpu-types.ts";

export type { AdapterInfo, Gpu, GpuAdapter, GpuBuffer, GpuDevice, GpuPipeline, GpuSource } from "./gpu-types.ts";

/** The package that brings WebGPU to Node: Dawn, Chromium's own. Browsers, Deno and Bun have WebGPU themselves. */
const DAWN = "webgpu";

/** What the package exports. */
interface Dawn<Gpu> {
  readonly create: (flags: readonly string[]) => Gpu;
  readonly globals: object;
}

/**
 * Where adapters come from, and what brought it. Dawn ends the process if `gpu` is collected while a device is used.
 */
export interface PlatformGpu<Gpu> {
  readonly gpu: Gpu;
  readonly library: string;
  readonly version: string;
}

/** Imports a module, or a file of JSON, for the package that declares it as a peer. */
type Import = (name: string) => Promise<unknown>;

/** Whether this runs in a browser's page or worker: nothing else leaves `process` out. */
export function isBrowser(): boolean {
  const { process, Deno } = globalThis as { process?: { versions?: { node?: string } }; Deno?: object };
  return process?.versions?.node === undefined && Deno === undefined;
}

/**
 * The platform's GPU: `navigator.gpu` where there is one, else a new one of Dawn's, with flags
 * (`enable-dawn-features=…`). Dawn's globals (`GPUBufferUsage`, …) are set, as its documentation asks.
 *
 * Throws BackendUnavailableError in a browser without WebGPU, and where the package is not installed or does not load;
 * `owner` is the backend that asks.
 */
export async function platformGpu<Gpu>(
  owner: string,
  importFrom: Import,
  flags: readonly string[] = [],
): Promise<PlatformGpu<Gpu>> {
  const scope: { readonly navigator?: object } = globalThis; // with no types of the DOM, or with them
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

/** Browsers have WebGPU for pages of a secure origin alone. */
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

/** The adapter's own name, as far as it tells one: `nvidia-geforce-rtx-4090`, else `nvidia ampere`. */
export function adapterName({ vendor, architecture, device, description }: AdapterInfo): string {
  const family = [vendor, architecture].filter(Boolean).join(" ");
  const slug = device.replace(/-+$/, ""); // Dawn writes a hyphen for the bracket that ends a name
  return slug || description || family || "an adapter without a name";
}

/** The driver and its version. Dawn tells them as the description; most browsers tell none. */
export function adapterDriver({ description }: AdapterInfo): string | undefined {
  return description || undefined;
}

/** Whether the adapter runs on the CPU: lavapipe, SwiftShader, WARP, or what a browser falls back to. */
export function isSoftwareAdapter({ isFallbackAdapter, description, device, architecture }: AdapterInfo): boolean {
  const words = [description, device, architecture].join(" ");
  return isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader|warp/i.test(words);
}

/** What a browser without an adapter lacks. */
const BROWSER_SETTINGS =
  "turn hardware acceleration on in the browser's settings, and on Linux WebGPU at chrome://flags/#enable-unsafe-webgpu " +
  "(chrome://gpu tells the reason)";

const DRIVER = "install a Vulkan driver (on Debian: apt install mesa-vulkan-drivers, 24 or newer)";

/**
 * The error of a platform without an adapter, with the way out: a browser's settings, else what to install.
 * `alternatives` are for where packages can be installed.
 */
export function noAdapter(owner: string, ...alternatives: readonly string[]): BackendUnavailableError {
  const ways = isBrowser() ? [BROWSER_SETTINGS] : [DRIVER, ...alternatives];
  return new BackendUnavailableError(`${owner}: there is no GPU adapter; ${ways.join(", or ")}`);
}
