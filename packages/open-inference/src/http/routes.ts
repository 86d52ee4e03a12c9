import type { Context } from "hono";
import type { z } from "zod";
import { binaryOf, binaryParts, HEADER_LENGTH, splitBody } from "../inference/binary.ts";
import { infer, type OutputTensor } from "../inference/infer.ts";
import { indexOf, modelMetadata, serverMetadata } from "../metadata.ts";
import { type InferenceService, isReady, loadModel, type Model, modelNamed, unloadModel, VERSION } from "../service.ts";
import { bodyOf, get, json, parsed, post, type Route, workOf } from "./route.ts";
import * as schemas from "./schemas.ts";

const tensors = (schema: z.ZodType) => ({ "application/json": schema, "application/octet-stream": schema });

/** The Open Inference Protocol, version 2, with Triton's extensions. */
export const protocolRoutes: readonly Route[] = [
  get("/v2", "The server's name, version and extensions", json(schemas.serverMetadata), (c, service) =>
    c.json(serverMetadata(service)),
  ),
  get("/v2/health/live", "Whether the process answers", json(schemas.live), (c) => c.json({ live: true }), "open"),
  get("/v2/health/ready", "Whether every model is ready; else 503", json(schemas.ready), answerReady, "open"),
  ...versioned(get("/v2/models/{name}", "A model's inputs and outputs", json(schemas.modelMetadata), answerMetadata)),
  ...versioned(
    get("/v2/models/{name}/ready", "Whether a model is ready; else 503", json(schemas.modelReady), answerModelReady),
  ),
  ...versioned(
    post(
      "/v2/models/{name}/infer",
      "Runs a model on a tensor",
      { body: tensors(schemas.inferRequest) },
      tensors(schemas.inferResponse),
      answerInference,
    ),
  ),
  post(
    "/v2/repository/index",
    "The listed models with their states",
    { body: json(schemas.indexRequest) },
    json(schemas.index),
    answerIndex,
  ),
  post("/v2/repository/models/{name}/load", "Loads a listed model, or loads it anew", {}, {}, async (c, service) => {
    await loadModel(service, c.req.param("name")!);
    return c.body(null, 200);
  }),
  post("/v2/repository/models/{name}/unload", "Unloads a model after its requests", {}, {}, async (c, service) => {
    await unloadModel(service, c.req.param("name")!);
    return c.body(null, 200);
  }),
];

/** The same route for a named version. */
function versioned(route: Route): readonly Route[] {
  const path = route.path.replace("{name}", "{name}/versions/{version}");
  return [route, { ...route, path, summary: `${route.summary}, by version` }];
}

const calledModel = (c: Context, service: InferenceService): Model =>
  modelNamed(service, c.req.param("name"), c.req.param("version"));

function answerReady(c: Context, service: InferenceService): Response {
  const ready = isReady(service);
  return c.json({ ready }, ready ? 200 : 503);
}

function answerModelReady(c: Context, service: InferenceService): Response {
  const { name, state } = calledModel(c, service);
  const ready = state === "ready" && service.phase !== "stopping";
  return c.json({ name, ready }, ready ? 200 : 503);
}

function answerMetadata(c: Context, service: InferenceService): Response {
  return c.json(modelMetadata(service, calledModel(c, service)));
}

async function answerIndex(c: Context, service: InferenceService): Promise<Response> {
  const body = await bodyOf(c, service);
  const { ready = false } = body.length === 0 ? {} : parsed(schemas.indexRequest, splitBody(body, undefined).json);
  return c.json(indexOf(service, ready));
}

async function answerInference(c: Context, service: InferenceService): Promise<Response> {
  const model = calledModel(c, service);
  model.check?.({ deadline: service.timeout });
  const body = await bodyOf(c, service);
  const { json, binary } = splitBody(body, c.req.header(HEADER_LENGTH));
  const request = parsed(schemas.inferRequest, json);
  const parts = binaryParts(
    binary,
    request.inputs.map(({ parameters }) => parameters?.binary_data_size),
  );
  const inputs = request.inputs.map((input, index) => ({ ...input, raw: parts[index] }));
  const outputs = request.outputs?.map(({ name, parameters }) => ({ name, ...pick(parameters?.classification) }));
  const microseconds = request.parameters?.timeout;
  const work = workOf(c, service, microseconds && microseconds / 1000);
  const found = await infer(model, { inputs, outputs }, { ...work, maxImages: service.maxImages });
  const isBinary = found.map((_, index) => {
    const own = request.outputs?.[index]?.parameters?.binary_data;
    return own ?? request.parameters?.binary_data_output ?? false;
  });
  const head = { model_name: model.name, model_version: VERSION, ...(request.id !== undefined && { id: request.id }) };
  return answerTensors(c, head, found, isBinary);
}

const pick = (classification: number | undefined): { classification?: number } =>
  classification === undefined ? {} : { classification };

/** JSON, with the binary outputs behind it. */
function answerTensors(
  c: Context,
  head: object,
  found: readonly OutputTensor[],
  isBinary: readonly boolean[],
): Response {
  const parts = found.map((output, index) => (isBinary[index] ? binaryOf(output) : undefined));
  const outputs = found.map(({ name, datatype, shape, data }, index) => ({
    name,
    datatype,
    shape,
    ...(parts[index] ? { parameters: { binary_data_size: parts[index].length } } : { data: [...data] }),
  }));
  const text = JSON.stringify({ ...head, outputs });
  const binary = parts.filter((part) => part !== undefined);
  if (binary.length === 0) return c.body(text, 200, { "Content-Type": "application/json" });
  const length = String(Buffer.byteLength(text));
  const headers = { "Content-Type": "application/octet-stream", [HEADER_LENGTH]: length };
  return c.body(Buffer.concat([Buffer.from(text), ...binary]), 200, headers);
}
