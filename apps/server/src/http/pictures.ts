import type { ResidualError } from "@residual/core";
import { modelNamed, RequestError, statusOf } from "@residual/open-inference";
import { bodyOf, formOf, json, parsed, post, type Route, workOf } from "@residual/open-inference/http";
import type { ServedModel, SubmitOptions } from "@residual/pipeline/serving";
import type { Context } from "hono";
import type { z } from "zod";
import type { Service } from "../service.ts";
import * as schemas from "./schemas.ts";

/** Image files instead of tensors: the server decodes, preprocesses and names the classes. */
export const pictureRoutes: readonly Route<Service>[] = [
  post(
    "/v1/classify",
    "The likeliest classes of pictures: one as the body, or many as a form",
    { query: schemas.classifyQuery, body: schemas.pictures },
    json(schemas.classified),
    (c, service) =>
      answerEach(c, service, schemas.classifyQuery, async (model, picture, { top }, work) => ({
        predictions: await model.classify(picture, { ...work, top }),
      })),
  ),
  post(
    "/v1/embed",
    "The pooled features of pictures before the last layer: one as the body, or many as a form",
    { query: schemas.pictureQuery, body: schemas.pictures },
    json(schemas.embedded),
    (c, service) =>
      answerEach(c, service, schemas.pictureQuery, async (model, picture, _, work) => ({
        embedding: [...(await model.embed(picture, work))],
      })),
  ),
  post(
    "/v1/cam",
    "Where a class is seen: a PNG, or with `Accept: application/json` the map's numbers",
    { query: schemas.camQuery, body: schemas.picture },
    { "image/png": schemas.bytes, ...json(schemas.cam) },
    answerCam,
  ),
];

interface Sent {
  /** The file's name in the form. */
  readonly image: string;
  readonly bytes: Uint8Array;
}

/**
 * Runs each picture. One that cannot be read is an entry with its error among many, and the request's error when alone.
 * Any other error ends the whole request, and the rest leaves the queue.
 */
async function answerEach<Query extends typeof schemas.pictureQuery, Result extends object>(
  c: Context,
  service: Service,
  schema: Query,
  run: (model: ServedModel, picture: Uint8Array, query: z.infer<Query>, work: SubmitOptions) => Promise<Result>,
): Promise<Response> {
  const query = parsed(schema, c.req.query());
  const model = modelNamed(service, query.model);
  model.check({ deadline: Math.min(query.timeout ?? service.timeout, service.timeout) }); // before the body is read
  const { isForm, sent } = await picturesOf(c, service);
  const ended = new AbortController();
  const { signal, deadline } = workOf(c, service, query.timeout);
  const work = { signal: AbortSignal.any([signal, ended.signal]), deadline };
  const result = async ({ image, bytes }: Sent) => {
    try {
      return { image, ...(await run(model, bytes, query, work)) };
    } catch (error) {
      if (sent.length === 1 || !isOfPicture(error)) throw error;
      return { image, error: { code: error.code, message: error.message } };
    }
  };
  try {
    const results = await mapAFew(sent, Math.min(model.maxBatch, MOST_AT_A_TIME), result);
    if (isForm) return c.json({ model: model.name, results });
    const { image: _, ...only } = results[0]!;
    return c.json({ model: model.name, ...only });
  } finally {
    ended.abort();
  }
}

/** Half of the image files that may wait for a decoding thread: a form alone never fills that queue. */
const MOST_AT_A_TIME = 32;

/** The results in order, with at most `limit` of them pending. Rejects with the first error. */
async function mapAFew<Item, Result>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const rest = items.entries();
  const work = async () => {
    for (const [index, item] of rest) results[index] = await run(item);
  };
  await Promise.all(Array.from({ length: limit }, work));
  return results;
}

const isOfPicture = (error: unknown): error is ResidualError => [413, 415, 422].includes(statusOf(error));

const sendsForm = (c: Context): boolean => /^multipart\/form-data/i.test(c.req.header("Content-Type") ?? "");

/** The body itself, or the files of a form. Throws RequestError for none, and for more than `maxImages`. */
async function picturesOf(c: Context, service: Service): Promise<{ isForm: boolean; sent: readonly Sent[] }> {
  if (!sendsForm(c)) return { isForm: false, sent: [{ image: "", bytes: await pictureOf(c, service) }] };
  const form = await formOf(c, service);
  const files = [...form.values()].filter((value) => typeof value !== "string");
  if (files.length === 0) throw new RequestError(400, "the form has no files, expected pictures: -F image=@cat.png");
  if (files.length > service.maxImages) {
    throw new RequestError(413, `found ${files.length} pictures, expected at most ${service.maxImages} in a request`);
  }
  const sent = files.map(async (file) => ({ image: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }));
  return { isForm: true, sent: await Promise.all(sent) };
}

async function pictureOf(c: Context, service: Service): Promise<Uint8Array> {
  const bytes = await bodyOf(c, service);
  if (bytes.length === 0) throw new RequestError(400, "the body is empty, expected a picture: --data-binary @cat.png");
  return bytes;
}

async function answerCam(c: Context, service: Service): Promise<Response> {
  const { model: name, top, timeout, class: of } = parsed(schemas.camQuery, c.req.query());
  const model = modelNamed(service, name);
  if (sendsForm(c))
    throw new RequestError(415, "found a form, expected one picture as the body: --data-binary @cat.png");
  const wanted = of !== undefined && /^\d+$/.test(of) && !model.labels?.includes(of) ? Number(of) : of;
  const picture = await pictureOf(c, service);
  const options = { ...workOf(c, service, timeout), top, class: wanted };
  if (!/application\/json/i.test(c.req.header("Accept") ?? "")) {
    return c.body(await model.drawCam(picture, options), 200, { "Content-Type": "image/png" });
  }
  const { prediction, predictions, area, map } = await model.cam(picture, options);
  const numbers = { shape: map.shape, data: [...map.data] };
  return c.json({ model: model.name, prediction, predictions, map: numbers, area });
}
