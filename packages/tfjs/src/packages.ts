interface Packages {
  readonly "@tensorflow/tfjs-core": () => Promise<typeof import("@tensorflow/tfjs-core")>;
  readonly "@tensorflow/tfjs-backend-cpu": () => Promise<typeof import("@tensorflow/tfjs-backend-cpu")>;
  readonly "@tensorflow/tfjs-backend-wasm": () => Promise<typeof import("@tensorflow/tfjs-backend-wasm")>;
  readonly "@tensorflow/tfjs-backend-webgl": () => Promise<typeof import("@tensorflow/tfjs-backend-webgl")>;
  readonly "@tensorflow/tfjs-backend-webgpu": () => Promise<typeof import("@tensorflow/tfjs-backend-webgpu")>;
}

/**
 * The packages of TensorFlow.js, each an optional peer, which is imported when it is first used.
 *
 * Bundlers read these words: one that is not installed is an error to webpack unless it is told to leave the import
 * alone, and to esbuild unless `.catch` follows.
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
