/** An array as `np.save` writes it, with the header padded to a multiple of 64 bytes; `header` may be invalid. */
export function npyOf(
  header: { readonly descr: string; readonly shape: readonly number[]; readonly isFortran?: boolean },
  data: Uint8Array,
): Uint8Array {
  const shape = header.shape.map((size) => `${size},`).join(" ");
  const order = header.isFortran ? "True" : "False";
  const text = `{'descr': '${header.descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
  const length = Math.ceil((text.length + 11) / 64) * 64;
  const start = Buffer.alloc(length, " ");
  start.write("\x93NUMPY\x01\0", 0, "latin1");
  start.writeUInt16LE(length - 10, 8);
  start.write(text, 10, "latin1");
  start[length - 1] = 0x0a;
  return new Uint8Array(Buffer.concat([start, data]));
}
