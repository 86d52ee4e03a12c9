/**
 * Writes the picture codecs of packages/vision/codecs: a package's WebAssembly and the program around it, as one ES
 * module without imports, which Node and every bundler take as it is. The packages' own programs import Node's fs and
 * path, or fetch a .wasm file from an address, which bundlers cannot follow.
 *
 *   node scripts/codecs.ts
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { transform } from "esbuild";

interface Codec {
  readonly package: string;
  /** Paths in the package, without the ending: of the program (.js), and its WebAssembly (.wasm). */
  readonly program: string;
  readonly licences: string;
  /** Each text is found once, and replaced. */
  readonly edits: readonly (readonly [found: RegExp, replacement: string])[];
}

/** By the name of the file that is written. Exported for the test that compares the files with their packages. */
export const codecs: { readonly [name: string]: Codec } = {
  "libjpeg-turbo": {
    package: "@cornerstonejs/codec-libjpeg-turbo-8bit",
    program: "dist/libjpegturbowasm_decode",
    licences: "ISC; libjpeg-turbo: IJG, BSD-3-Clause",
    edits: [
      [/var ENVIRONMENT_IS_WEB=[^;]*;var ENVIRONMENT_IS_WORKER=[^;]*;var ENVIRONMENT_IS_NODE=[^;]*;/, ""],
      [/\nif \(typeof exports === 'object'.*$/s, "\nexport default libjpegturbowasm_decode;"],
      // the decoder makes a Uint8ClampedArray of its pixels, a copy; this gives a view of its memory instead
      [/(?<=var emval_get_global=\(\)=>\{)/, "return{Uint8ClampedArray:function(view){return view}};"],
    ],
  },
  libwebp: {
    package: "@jsquash/webp",
    program: "codec/dec/webp_dec",
    licences: "Apache-2.0; libwebp: BSD-3-Clause",
    edits: [
      [/var ENVIRONMENT_IS_WEB=[^;]*;var ENVIRONMENT_IS_WORKER=[^;]*;var ENVIRONMENT_IS_NODE=[^;]*;/, ""],
      [/const isServiceWorker=.*?(?=var moduleOverrides=)/s, ""], // it sets global names in Node
      // the decoder makes an ImageData of its pixels, which Node has not
      [
        /(?<=function emval_get_global\(\)\{)/,
        "return{Uint8ClampedArray,ImageData:function(data,width,height){return{data,width,height}}};",
      ],
    ],
  },
};

const folder = fileURLToPath(new URL("../packages/vision/", import.meta.url));
const absent = ["ENVIRONMENT_IS_WEB", "ENVIRONMENT_IS_WORKER", "ENVIRONMENT_IS_NODE"];
const undefinedNames = ["document", "process", "__filename", "__dirname", "import.meta.url"];

/** The text of a codec's module. */
export async function codecModule({ package: name, program, licences, edits }: Codec): Promise<string> {
  const manifestPath = join(folder, "node_modules", name, "package.json");
  const { version } = createRequire(import.meta.url)(manifestPath) as { readonly version: string };
  const path = join(dirname(manifestPath), program);
  const text = edits.reduce(edited, readFileSync(`${path}.js`, "utf8"));
  const constants = [...absent.map((each) => [each, "false"]), ...undefinedNames.map((each) => [each, "undefined"])];
  const define = Object.fromEntries(constants) as { readonly [name: string]: string };
  const { code } = await transform(text, { define, minify: true, format: "esm", target: "es2022" });
  const wasm = readFileSync(`${path}.wasm`);
  const packed = deflateRawSync(wasm, { level: 9 }).toString("base64");
  return [
    `// Written by scripts/codecs.ts from ${name} ${version}.`,
    `// Licences: ${licences}. Their texts are in LICENSES.md.`,
    `export const wasm = { size: ${wasm.length}, packed: "${packed}" };`,
    code,
  ].join("\n");
}

function edited(text: string, [found, replacement]: readonly [RegExp, string]): string {
  if (text.split(found).length !== 2) throw new Error(`expected ${found} once in the program`);
  return text.replace(found, replacement);
}

export const codecPath = (name: string): string => join(folder, "codecs", `${name}.js`);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, codec] of Object.entries(codecs)) writeFileSync(codecPath(name), await codecModule(codec));
}
