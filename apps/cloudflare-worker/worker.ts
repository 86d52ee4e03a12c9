/** POST a picture, get its labels: npm start, then curl --data-binary @cat.jpg localhost:8787 */
import { type Classifier, load } from "@residual/pipeline";
import { setCodec } from "@residual/vision";
import { wasm } from "@residual/wasm";
import jpeg from "./made/jpeg.wasm";
import kernels from "./made/kernels.wasm";
import weights from "./made/weights.bin";

const MAX_BYTES = 20e6;
const MAX_PIXELS = 16e6; // a worker has 128 MB of memory
/** Of the errors that are about the picture. */
const statuses = new Map([
  ["FormatError", 415],
  ["UnsupportedError", 422],
  ["BackendUnavailableError", 422], // its decoder is not compiled in
]);

setCodec("JPEG", jpeg); // a worker compiles no WebAssembly: it is compiled when the worker is deployed

let loading: Promise<Classifier> | undefined; // one for all requests

const refuse = (status: number, code: string, message: string) => Response.json({ code, message }, { status });

async function answer(request: Request): Promise<Response> {
  if (request.method !== "POST") return refuse(405, "MethodNotAllowed", "POST a picture, as the request's body");
  const bytes = Number(request.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  if (bytes > MAX_BYTES) return refuse(413, "ContentTooLarge", `send at most ${MAX_BYTES} bytes, and Content-Length`);
  loading ??= load({ weights, backend: wasm({ module: kernels }), maxPixels: MAX_PIXELS });
  const classifier = await loading;
  try {
    return Response.json({ predictions: await classifier.classify(await request.arrayBuffer()) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const status = statuses.get(name);
    if (status === undefined) throw error; // Cloudflare logs it, and answers 500
    return refuse(status, name, message);
  }
}

export default { fetch: answer };
