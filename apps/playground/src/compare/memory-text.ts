import { bytes } from "../app/format.ts";
import type { Measured } from "./bench.ts";
import type { Engine } from "./engines.ts";

export interface MemoryText {
  readonly figure?: string;
  /** What the figure counts, or why there is none. */
  readonly about: string;
}

const isolation = crossOriginIsolated
  ? "and this browser does not tell"
  : "of which browsers tell cross-origin isolated pages only";

/** What can be said of a backend's memory. A figure is only what was counted. */
export function memoryText({ name }: Engine, { held, browserBytes }: Measured): MemoryText {
  const gpu = held.gpu > 0 ? `${bytes(held.gpu)} in GPU buffers` : "";
  if (browserBytes !== undefined) {
    const about = ["JavaScript and WebAssembly, as the browser counts", gpu].filter(Boolean).join("; and ");
    return { figure: bytes(browserBytes), about };
  }
  if (name.startsWith("onnx"))
    return { about: `not measurable here: onnxruntime runs in a second worker, ${isolation}` };
  if (name === "tfjs-webgl") return { about: "not measurable here: WebGL does not tell what its textures take" };
  if (held.gpu > 0) return { figure: bytes(held.gpu), about: "GPU buffers" };
  if (held.wasm > 0) return { figure: bytes(held.wasm), about: "WebAssembly's memory" };
  return { about: "not measurable here: nothing that this page can count" };
}
