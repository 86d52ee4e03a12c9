import type { Context } from "hono";
import type { z } from "zod";
import { RequestError } from "../errors.ts";
import { problemsOf } from "../problems.ts";
import type { InferenceService } from "../service.ts";

/** Schemas by content type. */
export type Contents = Readonly<Record<string, z.ZodType>>;

export type Handler<Service> = (c: Context, service: Service) => Response | Promise<Response>;

/** A route as the OpenAPI document has it. */
export interface RouteDescription {
  readonly method: "get" | "post";
  /** With parameters as in OpenAPI: `/v2/models/{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: Contents;
  readonly answer: Contents;
  /** Whether it is answered without an API key: probes, and pages that hold no data. */
  readonly isOpen: boolean;
}

/** A route: the server answers it, and the OpenAPI document describes it, from the same row. */
export interface Route<Service = InferenceService> extends RouteDescription {
  readonly handle: Handler<Service>;
}

export function get<Service>(
  path: string,
  summary: string,
  answer: Contents,
  handle: Handler<Service>,
  access?: "open",
): Route<Service> {
  return { method: "get", path, summary, answer, handle, isOpen: access === "open" };
}

type Sent = Pick<RouteDescription, "query" | "body">;

export function post<Service>(
  path: string,
  summary: string,
  sent: Sent,
  answer: Contents,
  handle: Handler<Service>,
): Route<Service> {
  return { method: "post", path, summary, ...sent, answer, handle, isOpen: false };
}

/** Checks a part of a request. Throws RequestError (400) that names the field. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const { data, error } = schema.safeParse(value);
  if (error) throw new RequestError(400, problemsOf(error));
  return data;
}

/** The body. Throws RequestError (413) as soon as it is too large, whatever its header says. */
export async function bodyOf(
  { req }: Context,
  { maxBytes }: Pick<InferenceService, "maxBytes">,
): Promise<Uint8Array<ArrayBuffer>> {
  const check = (bytes: number) => {
    if (bytes > maxBytes) throw new RequestError(413, `the body is too large, expected at most ${maxBytes} bytes`);
  };
  const length = req.header("Content-Length");
  check(Number(length ?? 0));
  if (length !== undefined || !req.raw.body) return new Uint8Array(await req.arrayBuffer());
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const part of req.raw.body as AsyncIterable<Uint8Array>) {
    total += part.length;
    check(total);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The body as a form. Throws RequestError: 400 for another body, and as `bodyOf` does. */
export async function formOf(c: Context, service: Pick<InferenceService, "maxBytes">): Promise<FormData> {
  const body = await bodyOf(c, service);
  const headers = { "Content-Type": c.req.header("Content-Type") ?? "" };
  return new Response(body, { headers }).formData().catch((): never => {
    throw new RequestError(400, "the body is not a form of multipart/form-data with its boundary");
  });
}

/** The options of work for a request: it ends with the client's connection. */
export function workOf(
  c: Context,
  { timeout }: Pick<InferenceService, "timeout">,
  own: number = timeout,
): { signal: AbortSignal; deadline: number } {
  return { signal: c.req.raw.signal, deadline: Math.min(own, timeout) };
}

export const json = (schema: z.ZodType): Contents => ({ "application/json": schema });
