import { type Graph, UnsupportedError, version } from "@residual/core";
import { checkSizes, externalizeWeights, LARGEST_BYTES, weightsFile } from "./external-data.ts";
import { lowerToOnnx } from "./lower.ts";
import { encodeMetadata, encodeModel, type Model, readModel } from "./model-proto.ts";
import { concatenate, type Encoded, join, piecesOf } from "./protobuf.ts";

/** Key of metadata_props: SHA-256, in hex, of the file before this entry, which is the last. `verifyOnnx` checks it. */
const DIGEST_KEY = "residual.sha256";
/** Key of metadata_props: SHA-256, in hex, of the external weights file. */
export const WEIGHTS_DIGEST_KEY = "residual.weightsSha256";
/** Key of metadata_props: the graph's name. */
export const MODEL_KEY = "residual.model";

export interface OnnxExportOptions {
  /**
   * Further entries of metadata_props, such as labels or preprocessing. Keys that begin with `residual.` are reserved.
   */
  readonly metadata?: { readonly [key: string]: string };
}

export interface ToOnnxOptions extends OnnxExportOptions {
  /** Name of the file for the weights. It must lie in the model's folder. */
  readonly external?: string;
}

/** A model in memory. */
export interface OnnxBytes {
  /** The .onnx file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** The weights file in pieces, if `external` was given. */
  readonly external?: readonly Uint8Array[];
}

/**
 * A graph as an .onnx file: opset 17, float32, parameters under their names. With `external` the weights go into a
 * file of that name.
 *
 * Throws UnsupportedError for open parameters, for a tensor above 2 GB, for a model above 2 GB with its weights
 * inside, and on pages that are served by plain HTTP, where browsers have no SHA-256.
 */
export async function toOnnx(graph: Graph, options: ToOnnxOptions = {}): Promise<OnnxBytes> {
  const { external: location, ...rest } = options;
  const name = location === undefined ? undefined : () => location;
  const { model, external } = await encodeFiles(sha256, graph, { ...rest, external: name });
  return { model: concatenate(model), ...(external && { external: external.pieces }) };
}

/** SHA-256 of the concatenated pieces, in hex. */
export type Sha256 = (pieces: readonly Uint8Array[]) => string | Promise<string>;

/** The platform's digest, which needs all bytes in one array. */
async function sha256(pieces: readonly Uint8Array[]): Promise<string> {
  const { subtle } = globalThis.crypto as { readonly subtle?: typeof globalThis.crypto.subtle };
  if (!subtle) throw new UnsupportedError("onnx: there is no SHA-256 on a page of plain HTTP; serve it by HTTPS");
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The files of a model, with their bytes still in parts. */
interface EncodedFiles {
  readonly model: Encoded;
  readonly external?: EncodedWeights;
}

interface EncodedWeights {
  /** The file's name. */
  readonly location: string;
  readonly pieces: readonly Uint8Array[];
}

/** The files of a model. `external` makes the name of the weights file from its SHA-256. Throws as `toOnnx` does. */
export async function encodeFiles(
  sha256: Sha256,
  graph: Graph,
  {
    external,
    metadata = {},
  }: OnnxExportOptions & { readonly external?: ((weightsSha256: string) => string) | undefined },
): Promise<EncodedFiles> {
  checkKeys(Object.keys(metadata));
  checkStateless(graph);
  const open = lowerToOnnx(graph);
  checkSizes(open);
  const lowered = await readModel(open);
  const named = { ...metadata, [MODEL_KEY]: graph.name };
  if (!external) {
    const model = await seal(sha256, { ...lowered, metadata: named });
    checkLength(graph, model.length);
    return { model };
  }
  const pieces = weightsFile(externalizeWeights(lowered, ""));
  const weightsSha256 = await sha256(pieces);
  const location = external(weightsSha256);
  const { model: small } = externalizeWeights(lowered, location);
  const model = await seal(sha256, { ...small, metadata: { ...named, [WEIGHTS_DIGEST_KEY]: weightsSha256 } });
  return { model, external: { location, pieces } };
}

/** The bytes of a model with their digest at the very end: a truncated file has no digest. */
export async function seal(sha256: Sha256, model: Model): Promise<Encoded> {
  const body = encodeModel(model, version);
  return join(body, digestEntry(await sha256(piecesOf(body))));
}

function digestEntry(digest: string): Encoded {
  return encodeMetadata(DIGEST_KEY, digest);
}

/** The bytes before the digest in each sealed model, and the digest's length. */
const DIGEST_LENGTH = 64;
const BEFORE_DIGEST = concatenate(digestEntry("0".repeat(DIGEST_LENGTH))).subarray(0, -DIGEST_LENGTH);

/** A sealed model, split into content and digest. Undefined if it does not end in a digest. */
export function unseal(bytes: Uint8Array): { readonly body: Uint8Array; readonly digest: string } | undefined {
  const length = bytes.length - BEFORE_DIGEST.length - DIGEST_LENGTH;
  if (length < 0 || BEFORE_DIGEST.some((byte, i) => bytes[length + i] !== byte)) return undefined;
  const digest = new TextDecoder().decode(bytes.subarray(-DIGEST_LENGTH));
  return { body: bytes.subarray(0, length), digest };
}

/** Refuses updates, since a file has no state. Variables without an update are constants. */
function checkStateless({ name, updates }: Graph): void {
  const [update] = updates;
  if (!update) return;
  const wayOut = "an .onnx file has no state; export the graph without its updates";
  throw new UnsupportedError(`onnx: ${update.variable.name} of ${name} changes with each run; ${wayOut}`);
}

function checkKeys(keys: readonly string[]): void {
  const reserved = keys.find((key) => key.startsWith("residual."));
  if (reserved) throw new UnsupportedError(`onnx: metadata ${reserved} is Residual's own; choose another key`);
}

function checkLength({ name }: Graph, length: number): void {
  if (length <= LARGEST_BYTES) return;
  const limit = `a model may have ${LARGEST_BYTES}; write it with external weights`;
  throw new UnsupportedError(`onnx: ${name} takes ${length} bytes, ${limit}`);
}
