import { type KernelIn, plain } from "./kernel.ts";

/** From the host's order, [N, C, pixels], to the device's. */
export const pack: KernelIn = plain({
  name: "pack",
  host: ["x"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "channels"],
  code: /* wgsl */ `
  var whole = vec4f();
  let first = plane % p.quads * 4u; let image = plane / p.quads;
  for (var part = 0u; part < min(4u, p.channels - first); part++) {
    whole[part] = x((image * p.channels + first + part) * p.pixels + pixel);
  }
  put(i, whole);`,
});

/** The numbers of an image as one row of channels. The row keeps the host's order of the image. */
export const flatten: KernelIn = plain({
  name: "flatten",
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["quads", "channels", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = plane % p.quads * 4u + part;
    let c = at / p.xPixels;
    if (at < p.channels) {
      whole[part] = x(((plane / p.quads * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u);
    }
  }
  put(i, whole);`,
});

/**
 * From the device's order to the host's. The output is treated as one row, of which each invocation writes four
 * numbers; the last invocation may write fewer.
 */
export const unpack: KernelIn = plain({
  name: "unpack",
  host: ["y"],
  operands: ["x", "y"],
  numbers: ["x"],
  params: ["c", "xPixels", "xQuads"],
  code: /* wgsl */ `
  var whole = vec4f();
  for (var part = 0u; part < 4u; part++) {
    let at = i * 4u + part;
    let c = at / p.xPixels % p.c;
    whole[part] = x(((at / (p.xPixels * p.c) * p.xQuads + c / 4u) * p.xPixels + at % p.xPixels) * 4u + c % 4u);
  }
  put(i, whole);`,
});
