/** What Chromium tells a page that is cross-origin isolated. TypeScript's DOM does not have it. */
interface MemoryMeasurement {
  readonly breakdown: readonly {
    readonly bytes: number;
    readonly attribution: readonly { readonly url: string; readonly scope: string }[];
  }[];
}

declare global {
  interface Performance {
    measureUserAgentSpecificMemory?(): Promise<MemoryMeasurement>;
  }
}

/** The browser answers at its next garbage collection, which may be seconds away. */
const PATIENCE = 20_000;

/** The workers of this room, and those that they start. */
const WORKERS = /compare-worker|onnx-worker|wasm-worker/;

/**
 * Bytes of JavaScript and WebAssembly in the workers of this room, as the browser counts them. Undefined where it does
 * not say: the page is not cross-origin isolated, the browser is not Chromium, or it takes too long.
 */
export async function browserMemory(signal: AbortSignal | undefined): Promise<number | undefined> {
  if (!crossOriginIsolated || !performance.measureUserAgentSpecificMemory) return undefined;
  const patience = AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]);
  const gaveUp = new Promise<undefined>((resolve) => patience.addEventListener("abort", () => resolve(undefined)));
  const measured = performance.measureUserAgentSpecificMemory().catch(() => undefined); // forbidden in this process
  const found = await Promise.race([measured, gaveUp]);
  const ours = found?.breakdown.filter(({ attribution }) => attribution.some(({ url }) => WORKERS.test(url)));
  return ours?.reduce((sum, { bytes }) => sum + bytes, 0);
}
