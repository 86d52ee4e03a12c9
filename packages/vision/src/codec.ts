import { BackendUnavailableError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { inflate } from "@residual/kit/inflate";
import { type CodecFormat, codecGiven } from "./set-codec.ts";

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
 * Compiles a codec, unless it was handed over, and returns a function that makes instances of it, each with memory that
 * no other has. Throws BackendUnavailableError with `advice` where WebAssembly does not compile, as under a
 * Content-Security-Policy.
 */
export async function compileCodec<Codec>(
  format: CodecFormat,
  load: () => Promise<CodecModule<Codec>>,
  advice: string,
): Promise<() => Promise<Codec>> {
  const unavailable = (cause: unknown): never => {
    const why = shown(String(cause).replaceAll(/\s+/g, " "), 300);
    throw new BackendUnavailableError(`the decoder of ${format} does not load (${why}); ${advice}`, { cause });
  };
  try {
    const { wasm, default: create } = await load();
    const program = codecGiven(format) ?? (await WebAssembly.compile(await unpacked(wasm)));
    return () => instanceOf(program, create).catch(unavailable);
  } catch (cause) {
    return unavailable(cause);
  }
}

export function unpacked({ size, packed }: CodecModule<unknown>["wasm"]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  return inflate(bytes, "deflate-raw", size, refuse);
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
