import { zipOf } from "./zip.ts";

/** A zip as torch.save writes it: members uncompressed and aligned to 64 bytes. */
export function torchZip(members: { readonly [name: string]: Uint8Array }, folder = "archive"): Uint8Array {
  return zipOf(
    Object.entries(members).map(([name, bytes]) => ({ name: `${folder}/${name}`, bytes })),
    64,
  );
}

/** A pickle of protocol 2 that holds a dictionary of float32 tensors. Each has a storage: "0", "1", …. */
export function torchPickle(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Uint8Array {
  const parts = ["\x80\x02}("];
  for (const [i, { name, shape }] of tensors.entries()) {
    const size = shape.reduce((product, length) => product * length, 1);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
    const storage = `(${text("storage")}ctorch\nFloatStorage\n${text(String(i))}${text("cpu")}${int(size)}tQ`;
    parts.push(
      `${text(name)}ctorch._utils\n_rebuild_tensor_v2\n(${storage}${int(0)}${tuple(shape)}${tuple(strides)}\x89}tR`,
    );
  }
  return Uint8Array.from(`${parts.join("")}u.`, (character) => character.charCodeAt(0));
}

const int = (value: number): string => `J${sizeBytes(value)}`;
const tuple = (values: readonly number[]): string => `(${values.map(int).join("")}t`;
const text = (value: string): string => `X${sizeBytes(value.length)}${value}`;

function sizeBytes(value: number): string {
  return [0, 8, 16, 24].map((shift) => String.fromCharCode((value >>> shift) & 255)).join("");
}
