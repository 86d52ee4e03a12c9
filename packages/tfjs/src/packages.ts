interface Packages {
  readonly "@tensorflow/tfjs-core": () => Promise<typeof import("@tensorflow/tfjs-core")>;
  readonly "@tensorflow/tfjs-backend-cpu": () => Promise<typeof import("@tensorflow/tfjs-backend-cpu")>;
  readonly "@tensorflow/tfjs-backend-wasm": () => Promise<typeof import("@tensorflow/tfjs-backend-wasm")>;
  readonly "@tensorflow/tfjs-backend-webgl": () => Promise<typeof import("@tensorflow/tfjs-backend-webgl")>;
  readonly "@tensorflow/tfjs-backend-webgpu": () => Promise<typeof import("@tensorflow/tfjs-backend-webgpu")>;
}

/**
 * The packages of TensorFlow.js, each an optional peer, imported on first use.
 *
 * Bundlers read these expressions. A missing package is an error in webpack unless the import is marked to be ignored,
 * and in esbuild unless `.catch` follows.
 */
export const packages: Packages = {
  "@tensorflow/tfjs-core": () => import(/* webpackIgnore: true */ "@tensorflow/tfjs-core").catch(rethrow),
  "@tensorflow/tfjs-backend-cpu": () => import(/* webpackIgnore: true */ "@tensorflow/tfjs-backend-cpu").catch(rethrow),
  "@tensorflow/tfjs-backend-wasm": () =>
    import(/* webpackIgnore: true */ "@tensorflow/tfjs-backend-wasm").catch(rethrow),
  "@tensorflow/tfjs-backend-webgl": () =>
    import(/* webpackIgnore: true */ "@tensorflow/tfjs-backend-webgl").catch(rethrow),
  "@tensorflow/tfjs-backend-webgpu": () =>
    import(/* webpackIgnore: true */ "@tensorflow/tfjs-backend-webgpu").catch(rethrow),
};

function rethrow(error: unknown): never {
  throw error;
}
