import { type KernelIn, plain } from "./kernel.ts";

/*
 * Batch norm in training. Vectors with a number for each channel are in the host's order, where optimizers read them:
 * the lanes behind the last channel hold anything.
 */

/** `channelSums` (sums.ts) over the same parts of each channel: parts take the images and pixels at these steps. */
const partParams = ["quads", "images", "xPixels", "pixelParts", "imageParts"];

/** `code` for each vec4 of the part, at `at`. */
const eachOfPart = (code: string) => /* wgsl */ `
  for (var image = pixel / p.pixelParts; image < p.images; image += p.imageParts) {
    let start = (image * p.quads + plane) * p.xPixels;
    for (var at = pixel % p.pixelParts; at < p.xPixels; at += p.pixelParts) { ${code} }
  }`;

/**
 * The mean of each part of a channel, and its Σ (x − mean)² behind all means. Sums are of the distance to the part's
 * first number, which is near its mean: Σx² − (Σx)² would cancel. (Welford's method divides for each number, and its
 * means were four times as far off.)
 */
export const momentParts: KernelIn = plain({
  name: "moments of parts",
  operands: ["x", "y"],
  alwaysFloat32: ["y"],
  params: partParams,
  code: /* wgsl */ `
  let origin = x((pixel / p.pixelParts * p.quads + plane) * p.xPixels + pixel % p.pixelParts);
  var sum = vec4f(); var squares = vec4f(); var count = 0.0;
${eachOfPart("let d = x(start + at) - origin; sum += d; squares += d * d; count += 1.0;")}
  put(i, origin + sum / count); put(p.planes * p.pixels + i, max(vec4f(), squares - sum * sum / count));`,
});

/** `code` for each `part` of a channel, which has `count` numbers. */
const eachPart = (code: string) => /* wgsl */ `
  for (var a = 0u; a < p.imageParts; a++) {
    let images = quotient(p.images + p.imageParts - 1u - a, p.imageParts);
    for (var b = 0u; b < p.pixelParts; b++) {
      let part = a * p.pixelParts + b;
      let count = f32(images * quotient(p.xPixels + p.pixelParts - 1u - b, p.pixelParts));
      ${code}
    }
  }`;

/** The mean of each channel, or with `isVariance` its biased variance, from those of its parts. */
export const moments: KernelIn = plain({
  name: "moments",
  operands: ["x", "y"],
  alwaysFloat32: ["x"],
  host: ["y"],
  params: ["images", "xPixels", "pixelParts", "imageParts", "isVariance"],
  code: /* wgsl */ `
  let parts = p.pixelParts * p.imageParts; let all = f32(p.images * p.xPixels);
  var mean = vec4f();
${eachPart("mean += x(plane * parts + part) * (count / all);")}
  var whole = mean;
  if (p.isVariance == 1u) {
    var squares = vec4f();
${eachPart("let d = x(plane * parts + part) - mean; squares += x((p.planes + plane) * parts + part) + count * d * d;")}
    whole = squares / all;
  }
  put(plane, whole);`,
});

/** Σ (x − mean)² of each part. */
export const squareParts: KernelIn = plain({
  name: "squares of parts",
  operands: ["x", "mean", "y"],
  alwaysFloat32: ["y"],
  host: ["mean"],
  params: [...partParams, "channels"],
  code: /* wgsl */ `
  let middle = zeroPadded(mean(plane), plane, p.channels); var sum = vec4f();
${eachOfPart("let d = x(start + at) - middle; sum += d * d;")}
  put(i, sum);`,
});

/** Σ dy of each part of a channel, and Σ dy · (x − mean) behind all of these. */
export const gradientParts: KernelIn = plain({
  name: "gradients of a norm, parts",
  operands: ["x", "dy", "mean", "y"],
  alwaysFloat32: ["y"],
  host: ["mean"],
  params: [...partParams, "channels"],
  code: /* wgsl */ `
  let middle = zeroPadded(mean(plane), plane, p.channels); var sum = vec4f(); var product = vec4f();
${eachOfPart("let g = dy(start + at); sum += g; product += g * (x(start + at) - middle);")}
  put(i, sum); put(p.planes * p.pixels + i, product);`,
});

/** The second sums of `gradientParts`, over √(variance + epsilon). They begin at `begin`. */
export const scaleGradientOfParts: KernelIn = plain({
  name: "gradient of a norm's scale",
  operands: ["x", "variance", "y"],
  alwaysFloat32: ["x"],
  host: ["variance", "y"],
  params: ["parts", "begin", "epsilon"],
  code: /* wgsl */ `
  var sum = vec4f();
  for (var part = 0u; part < p.parts; part++) { sum += x(p.begin + plane * p.parts + part); }
  put(plane, sum * inverseSqrt(variance(plane) + bitcast<f32>(p.epsilon)));`,
});

/**
 * `code` for the vec4 at `at` of some images: every `groups`-th from the plane's on. So the numbers of a channel are
 * loaded once for several images.
 */
const eachImage = (code: string) => /* wgsl */ `
  for (var image = quotient(plane, p.quads); image < p.images; image += p.groups) {
    let at = (image * p.quads + quad) * p.pixels + pixel;
    ${code}
  }`;

/** A norm with its residual and ReLU. */
export const normalize: KernelIn = plain({
  name: "batchNorm of the batch",
  operands: ["x", "residual", "scale", "shift", "mean", "variance", "y"],
  host: ["scale", "shift", "mean", "variance"],
  params: ["quads", "channels", "images", "groups", "epsilon", "hasResidual", "relu"],
  code: /* wgsl */ `
  let quad = plane % p.quads; let middle = mean(quad); let offset = shift(quad);
  let gain = scale(quad) * inverseSqrt(variance(quad) + bitcast<f32>(p.epsilon));
${eachImage(`var whole = zeroPadded((x(at) - middle) * gain + offset, quad, p.channels);
    if (p.hasResidual == 1u) { whole += residual(at); }
    if (p.relu == 1u) { whole = rectified(whole); }
    put(at, whole);`)}`,
});

export const batchNormInputGradient: KernelIn = plain({
  name: "batchNormInputGradient",
  operands: ["x", "dy", "scale", "mean", "variance", "scaleGradient", "shiftGradient", "dx"],
  host: ["scale", "mean", "variance", "scaleGradient", "shiftGradient"],
  params: ["quads", "channels", "images", "groups", "epsilon", "share"],
  code: /* wgsl */ `
  let quad = plane % p.quads; let middle = mean(quad); let share = bitcast<f32>(p.share);
  let r = inverseSqrt(variance(quad) + bitcast<f32>(p.epsilon)); let gain = scale(quad) * r;
  let offset = shiftGradient(quad) * share; let slope = r * scaleGradient(quad) * share;
${eachImage("put(at, zeroPadded(gain * (dy(at) - offset - (x(at) - middle) * slope), quad, p.channels));")}`,
});
