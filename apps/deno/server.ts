/** POST a picture, get its labels: deno task start, then curl --data-binary @cat.png localhost:8000 */
import { load } from "residual";

const MAX_BYTES = 20e6;
/** Of the errors that are about the picture. */
const statuses = new Map([
  ["FormatError", 415],
  ["UnsupportedError", 422],
  ["BackendUnavailableError", 422], // its decoder is not installed here
]);

const classifier = await load(); // one for all requests

const refuse = (status: number, code: string, message: string): Response =>
  Response.json({ code, message }, { status });

async function answer(request: Request): Promise<Response> {
  if (request.method !== "POST") return refuse(405, "MethodNotAllowed", "POST a picture, as the request's body");
  const bytes = Number(request.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
  if (bytes > MAX_BYTES) return refuse(413, "ContentTooLarge", `send at most ${MAX_BYTES} bytes, and Content-Length`);
  try {
    return Response.json({ predictions: await classifier.classify(await request.blob()) });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const status = statuses.get(name);
    if (status === undefined) throw error; // Deno logs it, and answers 500
    return refuse(status, name, message);
  }
}

const server = Deno.serve(
  { port: Number(Deno.env.get("PORT") ?? 8000), onListen: ({ port }) => console.log(`http://localhost:${port}`) },
  answer,
);

let isStopping = false;

async function stop(): Promise<void> {
  if (isStopping) Deno.exit(130); // a second Ctrl-C waits for nothing
  isStopping = true;
  await server.shutdown(); // after the requests under way
  await classifier.dispose();
  Deno.exit();
}
Deno.addSignalListener("SIGINT", () => void stop());
if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => void stop()); // which Windows has not
