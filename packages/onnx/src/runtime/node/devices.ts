import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { BackendUnavailableError } from "@residual/core";
import type { OnnxDevice } from "../../options.ts";
import type { SessionOptions } from "../inference.ts";
import { folderOf, INSTALL, PACKAGE } from "./package.ts";

const INSTALL_CUDA = `npm install ${PACKAGE} --onnxruntime-node-install=cuda12`;

type AddedDevice = Exclude<OnnxDevice, "cpu">;

interface DeviceRow {
  /** The requirements besides the package. */
  readonly needs: string;
  /** A file that the package's install script downloads. If it is missing, onnxruntime prints an error to stderr. */
  readonly library?: string;
  readonly options?: SessionOptions;
  /** Whether two threads must not use the device at the same time. */
  readonly isExclusive?: true;
}

/** onnxruntime's execution providers of these names. Sources: onnxruntime-node's README, its script/install.js. */
const devices: { readonly [Device in AddedDevice]: DeviceRow } = {
  webgpu: {
    needs:
      "a GPU driver: Vulkan on Linux x64 (Debian: apt install mesa-vulkan-drivers), Direct3D 12 on Windows, Metal on macOS",
    // Two threads that run it at the same time crash the process: github.com/microsoft/onnxruntime/issues/32561.
    isExclusive: true,
  },
  cuda: {
    needs: `Linux x64, an NVIDIA GPU with CUDA 12 and cuDNN 9, and libraries that are not in the npm package: ${INSTALL_CUDA}`,
    library: "libonnxruntime_providers_cuda.so",
  },
  // DirectML does not take memory patterns.
  dml: { needs: "Windows with DirectX 12", options: { enableMemPattern: false } },
  coreml: { needs: "macOS" },
};

/** Session options that only this device has. */
export function deviceOptions(device: OnnxDevice): SessionOptions {
  if (device === "cpu") return { executionProviders: ["cpu"] };
  return { executionProviders: [device], ...devices[device].options };
}

export function isExclusive(device: OnnxDevice): boolean {
  return device !== "cpu" && devices[device].isExclusive === true;
}

/** The command that installs a device's npm packages. */
export function installOf(device: OnnxDevice): string {
  return device === "cuda" ? INSTALL_CUDA : INSTALL;
}

/** Throws BackendUnavailableError if a library of the device is missing in the package. */
export function checkLibrary(device: OnnxDevice, name: string): void {
  if (device === "cpu" || process.platform !== "linux") return;
  const { library } = devices[device];
  if (library === undefined) return;
  const folder = join(folderOf(name), "bin");
  const hasLibrary = (napi: string) => existsSync(join(folder, napi, "linux", process.arch, library));
  if (existsSync(folder) && readdirSync(folder).some(hasLibrary)) return;
  throw missingDevice(device, `there is no ${library} in ${folder}`);
}

/** Turns onnxruntime's error for a device that cannot be opened into a BackendUnavailableError. */
export function missingDevice(device: AddedDevice, message: string): BackendUnavailableError {
  const [firstLine] = message.split("\n");
  const platform = `${process.platform}-${process.arch}`;
  return new BackendUnavailableError(
    `onnx: the device "${device}" cannot be opened on ${platform} (${firstLine}); it needs ${devices[device].needs}`,
    { cause: new Error(message) },
  );
}
