// A runtime that counts its runs, and fails where an input holds NaN, for `backend.test.ts`.
const runs = { count: 0 };
class Tensor {
  /**
   * @param {string} type
   * @param {Float32Array} data
   * @param {readonly number[]} dims
   */
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
  }
}
/** @param {{ readonly image: { readonly data: Float32Array } }} feeds */
const run = async ({ image }) => {
  await new Promise((resolve) => setImmediate(resolve));
  runs.count++;
  if (Number.isNaN(image.data[0])) throw new Error("Non-zero status code returned. Name:'conv' Status Message: failed");
  return { logits: new Tensor("float32", new Float32Array([1]), [1, 1]) };
};
const InferenceSession = { create: async () => ({ run, release: async () => {} }) };
module.exports = { Tensor, InferenceSession, runs };
