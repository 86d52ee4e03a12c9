// A runtime that takes its thread with it, for `backend.test.ts`.
class Tensor {}
const InferenceSession = { create: async () => ({ run: () => process.exit(1), release: async () => {} }) };
module.exports = { Tensor, InferenceSession };
