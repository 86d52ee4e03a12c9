/** Conditions of `exports` that name files which are not shipped. */
const UNSHIPPED = ["@residual/source"];

/** `exports` without the conditions that only a clone can follow. */
function shipped(exports) {
  if (typeof exports !== "object" || exports === null) return exports;
  const kept = Object.entries(exports).filter(([condition]) => !UNSHIPPED.includes(condition));
  return Object.fromEntries(kept.map(([condition, target]) => [condition, shipped(target)]).filter(isShipped));
}

/** Entries for the workspace's tests alone have no other condition. */
function isShipped([, target]) {
  return typeof target !== "object" || Object.keys(target).length > 0;
}

export const hooks = {
  /** package.json as it is published. */
  beforePacking: (manifest) => ({ ...manifest, exports: shipped(manifest.exports) }),
};
