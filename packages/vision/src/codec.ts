import { BackendUnavailableError } from "@residual/core";
import { inflate, shown } from "@residual/kit/bytes";

/** The part of WebAssembly that is used here: the packages are checked without the DOM. */
type Program = object;
type Instance = object;
declare const WebAssembly: {
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<Program>;
  instantiate(program: Program, imports: object): Promise<Instance>;
};

/** A module of the folder codecs: WebAssembly, compressed by deflate and in base64, and the program around it. */
interface CodecModule<Codec> {
  readonly wasm: { readonly size: number; readonly packed: string };
  /** Emscripten's program. It needs neither a file nor an address, if it gets `instantiateWasm`. */
  readonly default: (options: object) => Promise<Codec>;
}

/**
 * Compiles a codec, and returns a function that makes instances of it, each with memory that no other has. Throws
 * BackendUnavailableError with `advice` where WebAssembly does not compile, as under a Content-Security-Policy.
 */
export async function compileCodec<Codec>(
  format: string,
  load: () => Promise<CodecModule<Codec>>,
  advice: string,
): Promise<() => Promise<Codec>> {
  try {
    const { wasm, default: create } = await load();
    const packed = Uint8Array.from(atob(wasm.packed), (char) => char.charCodeAt(0));
    const program = await WebAssembly.compile(await inflate(packed, "deflate-raw", wasm.size, refuse));
    return () => instanceOf(program, create);
  } catch (cause) {
    const why = shown(String(cause).replaceAll(/\s+/g, " "), 300);
    throw new BackendUnavailableError(`the decoder of ${format} does not load (${why}); ${advice}`, { cause });
  }
}

function refuse(reason: string): never {
  throw new Error(`its file is damaged: ${reason}`);
}

function instanceOf<Codec>(program: Program, create: CodecModule<Codec>["default"]): Promise<Codec> {
  return new Promise((resolve, reject) => {
    const options = {
      locateFile: (name: string) => name,
      printErr: () => {}, // warnings come back as results
      instantiateWasm(imports: object, receive: (instance: Instance) => void) {
        WebAssembly.instantiate(program, imports).then(receive).catch(reject);
        return {};
      },
    };
    create(options).then(resolve, reject);
  });
}
