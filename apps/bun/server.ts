/** POST a picture, get its labels: bun start, then curl --data-binary @cat.png localhost:8000 */
import { load } from "residual";

/** Of the errors that are about the picture. */
const statuses = new Map([
  ["FormatError", 415],
  ["UnsupportedError", 422],
  ["BackendUnavailableError", 422], // its decoder is not installed here
]);

const classifier = await load(); // one for all requests

async function classify(request: Request): Promise<Response> {
  try {
    const picture = await request.blob();
    return Response.json({ predictions: await classifier.classify(picture, { signal: request.signal }) });
  } catch (error) {
    const { name: code, message } = error instanceof Error ? error : new Error(String(error));
    const status = statuses.get(code);
    if (status === undefined) throw error; // Bun logs it, and answers 500
    return Response.json({ code, message }, { status });
  }
}

const server = Bun.serve({
  port: Number(process.env.PORT ?? 8000),
  maxRequestBodySize: 20e6, // a larger body is answered 413
  development: false, // errors are answered without the server's code
  routes: { "/": { POST: classify } },
  fetch: () => Response.json({ code: "NotFound", message: "POST a picture to /" }, { status: 404 }),
});
console.log(server.url.href);

async function stop(): Promise<void> {
  await server.stop(); // after the requests under way
  await classifier.dispose();
  process.exit();
}
process.once("SIGINT", () => void stop());
process.once("SIGTERM", () => void stop());
