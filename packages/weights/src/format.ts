import { FormatError, type ResidualError } from "@residual/core";
import { quote } from "./json-reader.ts";
import { isLegacy } from "./pytorch/is-legacy.ts";
import { longestHeader, prefixLength } from "./safetensors.ts";

/** The number of bytes at the start of a file that determine its format. */
export const START = 4096;

/** The usual file extensions, for messages. */
export const EXPECTED = "weights (.safetensors, .pth, .h5, .keras, .onnx, .npz or a TensorFlow.js model.json)";

export const SAVED_MODEL = "a SavedModel of TensorFlow";

/** Advice for a SavedModel in `folder`: how to convert it. */
export function convertSavedModel(folder: string): string {
  return `convert it: python -m tf2onnx.convert --saved-model ${folder} --output model.onnx`;
}

/** Readable formats; `index` is the index of shards. */
export type ReadFormat =
  | "safetensors"
  | "index"
  | "PyTorch"
  | "PyTorch before 1.6"
  | "NumPy"
  | "NumPy array"
  | "HDF5"
  | "Keras"
  | "ONNX"
  | "TensorFlow.js";

/** A readable format, or `refuse`, which makes the error for an unreadable file. */
export type Format = ReadFormat | { readonly refuse: (file: string) => ResidualError };

/**
 * The format of a file of `size` bytes, from its first START bytes (all bytes of a shorter file). The file's name is
 * ignored.
 */
export function formatOf(start: Uint8Array, size: number): Format {
  if (size === 0) return other("an empty file", "download or save it again");
  if (startsLikeSafetensors(start)) return "safetensors";
  const found = formats.find(({ is }) => is(start));
  if (found) return found.format(start);
  if (start.every((byte) => byte === 0)) return other("zeros", "the download did not finish; download it again");
  const text = textOf(start);
  if (text !== undefined) return formatOfText(text);
  return "safetensors"; // the reader reports errors of its header
}

/** Whether a plausible header length is followed by the start of JSON. */
function startsLikeSafetensors(start: Uint8Array): boolean {
  if (start.length <= prefixLength || start[prefixLength] !== 0x7b) return false;
  return new DataView(start.buffer, start.byteOffset).getBigUint64(0, true) <= longestHeader;
}

function other(found: string, wayOut: string): Format {
  return {
    refuse: (file) => new FormatError(`${file}: found ${found}, expected ${EXPECTED}; ${wayOut}`),
  };
}

interface BinaryFormat {
  readonly is: (start: Uint8Array) => boolean;
  readonly format: (start: Uint8Array) => Format;
}

const unpack = (kind: string): Format => other(`a file packed by ${kind}`, "unpack it first");
const picture = (kind: string): Format => other(`a picture (${kind})`, "give a file of weights");

/** Formats that are recognized by magic numbers. */
const formats: readonly BinaryFormat[] = [
  { is: magic("PK\x03\x04"), format: (start) => formatOfZip(start) },
  { is: magic("\x89HDF\r\n\x1a\n"), format: () => "HDF5" },
  { is: isLegacy, format: () => "PyTorch before 1.6" },
  {
    is: (start) => start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5,
    format: () => other("a pickle", "save the tensors with torch.save"),
  },
  // the fields of a ModelProto: ir_version, then opset, producer or graph
  { is: isOnnx, format: () => "ONNX" },
  { is: magic("\x08\x01\x12"), format: () => other(SAVED_MODEL, convertSavedModel("its folder")) },
  { is: magic("PK\x05\x06"), format: () => other("an empty zip archive", "download or save it again") },
  {
    is: (start) => magic("\xff\xfe")(start) || magic("\xfe\xff")(start),
    format: () => other("text in UTF-16", "give a file of weights"),
  },
  { is: magic("\x93NUMPY"), format: () => "NumPy array" },
  { is: magic("TFL3", 4), format: () => other("a TensorFlow Lite model", "give the weights that it was made of") },
  { is: magic("GGUF"), format: () => other("a GGUF file", "give weights of a ResNet") },
  { is: magic("\x1f\x8b"), format: () => unpack("gzip") },
  { is: magic("BZh"), format: () => unpack("bzip2") },
  { is: magic("\xfd7zXZ"), format: () => unpack("xz") },
  { is: magic("\x28\xb5\x2f\xfd"), format: () => unpack("zstd") },
  { is: magic("7z\xbc\xaf\x27\x1c"), format: () => unpack("7-Zip") },
  { is: magic("Rar!"), format: () => unpack("RAR") },
  { is: magic("ustar", 257), format: () => unpack("tar") },
  { is: magic("\x89PNG"), format: () => picture("PNG") },
  { is: magic("\xff\xd8\xff"), format: () => picture("JPEG") },
  { is: magic("GIF8"), format: () => picture("GIF") },
  { is: magic("WEBP", 8), format: () => picture("WebP") },
  { is: magic("%PDF"), format: () => other("a PDF document", "give a file of weights") },
];

function magic(text: string, at = 0): (start: Uint8Array) => boolean {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return (start) => bytes.every((byte, i) => start[at + i] === byte);
}

function isOnnx([field, version = 0, next = 0]: Uint8Array): boolean {
  return field === 0x08 && version >= 3 && version < 32 && [0x12, 0x1a, 0x22, 0x2a, 0x32, 0x3a, 0x42].includes(next);
}

/** The format of a zip file. The name of the first member shows which program wrote the zip. */
function formatOfZip(start: Uint8Array): Format {
  const length = start[26]! | (start[27]! << 8);
  const member = latin1(start.subarray(30, 30 + length));
  if (/\/(data\.pkl|version|byteorder|\.format_version|\.data\/.*|data\/\d+)$/.test(member)) return "PyTorch";
  if (member.endsWith(".npy")) return "NumPy";
  if (/^(metadata\.json|config\.json|model\.weights\.h5)$/.test(member)) return "Keras";
  if (/^serialized_|\/data\/(weights|constants|sample_inputs)\/|\/(models\/|archive_)/.test(member))
    return other(
      "a program of torch.export (.pt2)",
      "save its state_dict: torch.save(torch.export.load(path).state_dict, other)",
    );
  return other("a zip archive", "unpack it first");
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 1000));
}

/** The first bytes as text; undefined if they are not UTF-8. */
function textOf(start: Uint8Array): string | undefined {
  if (start.includes(0)) return undefined;
  try {
    // `stream` allows a last character that is cut off
    return new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: true }).trimStart();
  } catch {
    return undefined;
  }
}

function formatOfText(text: string): Format {
  if (text.startsWith("version https://git-lfs."))
    return other("a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull");
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) {
    const title = /<title[^>]*>([^<]{1,100})/i.exec(text)?.[1]?.trim();
    const page = `an HTML page${title ? ` (${startOf(title, 60)})` : ""}`;
    return other(page, "the download gave a page and no file; check its address, and sign in where the site wants it");
  }
  if (text.startsWith("<")) return other("XML", "the download failed, or this is another file; download it again");
  if (/^[{[]/.test(text)) return formatOfJson(text);
  return other(`text that begins ${startOf(text, 40)}`, "download or save it again");
}

/** Quotes the first `most` characters on one line. A run of spaces and line ends becomes one space. */
function startOf(text: string, most: number): string {
  return quote(text.replaceAll(/\s+/g, " ").slice(0, most));
}

function formatOfJson(text: string): Format {
  if (/"weight_map"\s*:/.test(text) || /^\{\s*"metadata"\s*:\s*\{[^{}]*"total_size"/.test(text)) return "index";
  if (/"(modelTopology|weightsManifest)"\s*:|^\{\s*"format"\s*:\s*"(graph|layers)-model"/.test(text))
    return "TensorFlow.js";
  if (/"(model_type|architectures|architecture)"\s*:/.test(text))
    return other("a model's configuration (JSON)", "give the .safetensors file that lies beside it");
  return other(`JSON that begins ${startOf(text, 40)}`, "give a file of weights");
}
