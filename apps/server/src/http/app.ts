import { OverloadedError } from "@residual/pipeline/serving";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { RequestError, shownError, statusOf } from "../errors.ts";
import { HEADER_LENGTH } from "../inference/binary.ts";
import type { Service } from "../service.ts";
import { traceIdOf } from "../trace.ts";
import { documentRoutes } from "./documents.ts";
import { pictureRoutes } from "./pictures.ts";
import { protocolRoutes } from "./protocol.ts";
import type { Route } from "./route.ts";

/** Everything that is answered over HTTP. */
export function createApp(service: Service, origins: readonly string[]): Hono {
  const served = [...protocolRoutes, ...pictureRoutes];
  const routes = [...served, ...documentRoutes(served)];
  const app = new Hono();
  app.use(requestId(), observed(service, routes));
  if (origins.length > 0) app.use(crossOrigin(origins));
  for (const route of routes) app.on(route.method, honoPath(route), (c) => answer(route, c, service));
  for (const route of routes) app.all(honoPath(route), (c) => refuseMethod(c, route, routes));
  app.notFound((c) => failed(new RequestError(404, `there is no ${c.req.path}; /docs lists the routes`), c));
  app.onError(failed);
  return app;
}

const honoPath = ({ path }: Route): string => path.replaceAll(/\{(\w+)\}/g, ":$1");

async function answer(route: Route, c: Context, service: Service): Promise<Response> {
  c.set("route", route.path);
  if (!route.isOpen) checkRequest(c, service);
  return route.handle(c, service);
}

/** Throws RequestError: 401 without a key, 503 while the server stops, 415 for a compressed body. */
function checkRequest(c: Context, { isAllowed, phase }: Service): void {
  if (!isAllowed(c.req.header("Authorization"), c.req.header("X-API-Key")))
    throw new RequestError(401, "expected a valid API key, as Authorization: Bearer KEY or X-API-Key: KEY");
  if (phase === "stopping") throw new RequestError(503, "the server stops; send the request to another one");
  if (c.req.header("Content-Encoding") !== undefined) throw new RequestError(415, "send the body without compression");
}

function refuseMethod(c: Context, { path }: Route, routes: readonly Route[]): Response {
  const methods = routes.filter((each) => each.path === path).map(({ method }) => method.toUpperCase());
  c.header("Allow", methods.join(", "));
  return failed(new RequestError(405, `${path} takes ${methods.join(", ")}, found ${c.req.method}`), c);
}

/** The answer of an error: `{ "error": message, "code": code }`. */
function failed(error: Error, c: Context): Response {
  c.error = error;
  const status = c.req.raw.signal.aborted ? 499 : statusOf(error);
  if (status === 503) c.header("Retry-After", String(error instanceof OverloadedError ? error.retryAfter : 1));
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.json(shownError(error), status as ContentfulStatusCode);
}

function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowHeaders: ["Authorization", "Content-Type", "X-API-Key", "X-Request-Id", "traceparent", HEADER_LENGTH],
    exposeHeaders: ["X-Request-Id", "Retry-After", HEADER_LENGTH],
  });
}

/** Logs and counts each request, and passes its trace on. Probes are logged for level debug only. */
function observed(service: Service, routes: readonly Route[]): MiddlewareHandler {
  const { log, metrics } = service;
  const quiet = new Set(routes.filter(({ isOpen }) => isOpen).map(({ path }) => path)).add("/metrics");
  return async (c, next) => {
    const start = performance.now();
    await next();
    const ms = performance.now() - start;
    const { status } = c.res;
    const route = (c.get("route") as string | undefined) ?? "none";
    const trace = c.req.header("traceparent");
    const traceId = traceIdOf(trace);
    if (service.phase === "stopping") c.header("Connection", "close");
    if (traceId !== undefined) c.header("traceparent", trace);
    metrics.countRequest(route, status, ms);
    const line = {
      requestId: c.get("requestId"),
      traceId,
      method: c.req.method,
      path: c.req.path,
      status,
      ms,
    };
    const failure = c.error && (status === 500 ? { err: c.error } : { error: c.error.message });
    log[status >= 500 ? "error" : quiet.has(route) ? "debug" : "info"]({ ...line, ...failure }, "request");
  };
}
