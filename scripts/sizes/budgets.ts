/** What a page imports, and what it may weigh: docs/browser.md has the same table. */
export interface Budget {
  /** As the table names it. */
  readonly name: string;
  /** The page's import. */
  readonly code: string;
  /** A package that `code` imports on demand, whose chunk is weighed: what a page fetches besides the first chunk. */
  readonly chunk?: string;
  /** For each package that may be in it, at most so many kB (1,000 bytes), minified and compressed by gzip. */
  readonly most: { readonly [packageName: string]: number };
}

const load = 'export { load } from "residual"';

export const budgets: readonly Budget[] = [
  {
    name: "a model alone: `bind` and `resnet` of `@residual/core`",
    code: 'export { bind, resnet, select, variants } from "@residual/core"',
    most: { "@residual/core": 19 },
  },
  {
    name: "core, webgpu, weights and vision",
    code: `
      export { bind, resnet, select, variants } from "@residual/core";
      export { readWeights } from "@residual/weights";
      export { decodeImage, preprocess, topK } from "@residual/vision";
      export { webgpu } from "@residual/webgpu"`,
    most: {
      "@residual/core": 27.5,
      "@residual/kit": 3.5,
      "@residual/vision": 9,
      "@residual/webgpu": 46,
      "@residual/weights": 14.5,
      "fastest-levenshtein": 1,
    },
  },
  {
    name: "`load` of `residual`",
    code: load,
    most: {
      "@residual/core": 28.5,
      "@residual/kit": 4,
      "@residual/pipeline": 14.5,
      "@residual/vision": 10,
      "@residual/weights": 15.5,
      "fastest-levenshtein": 1,
    },
  },
  { name: "its chunk for `wasm`", code: load, chunk: "@residual/wasm", most: { "@residual/wasm": 38.5 } },
  { name: "its chunk for `webgpu`", code: load, chunk: "@residual/webgpu", most: { "@residual/webgpu": 43 } },
  { name: "its chunk for `onnx`", code: load, chunk: "@residual/onnx", most: { "@residual/onnx": 15 } },
  {
    name: "its chunk for `tfjs`",
    code: load,
    chunk: "@residual/tfjs",
    most: { "@residual/kit": 1.2, "@residual/tfjs": 20 },
  },
];

/** The sum of the packages' shares, in kB. */
export const mostOf = ({ most }: Budget): number => Object.values(most).reduce((sum, each) => sum + each, 0);
