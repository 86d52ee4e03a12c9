import { RequestError } from "@residual/open-inference";
import {
  answerError,
  HEADER_LENGTH,
  mount,
  protocolRoutes,
  type Route,
  type RouteDescription,
} from "@residual/open-inference/http";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";
import type { Service } from "../service.ts";
import { traceIdOf } from "../trace.ts";
import { documentRoutes } from "./documents.ts";
import { pictureRoutes } from "./pictures.ts";

/** Everything that is answered over HTTP. */
export function createApp(service: Service, origins: readonly string[]): Hono {
  const served: readonly Route<Service>[] = [...protocolRoutes, ...pictureRoutes];
  const routes = [...served, ...documentRoutes(served)];
  const app = new Hono();
  app.use(requestId(), observed(service, routes));
  if (origins.length > 0) app.use(crossOrigin(origins));
  mount(app, routes, service, (c, { isOpen }) => {
    if (!isOpen) checkRequest(c, service);
  });
  app.notFound((c) => answerError(new RequestError(404, `there is no ${c.req.path}; /docs lists the routes`), c));
  return app;
}

/** Throws RequestError: 401 without a key, 503 while the server stops, 415 for a compressed body. */
function checkRequest(c: Context, { isAllowed, phase }: Service): void {
  if (!isAllowed(c.req.header("Authorization"), c.req.header("X-API-Key")))
    throw new RequestError(401, "expected a valid API key, as Authorization: Bearer KEY or X-API-Key: KEY");
  if (phase === "stopping") throw new RequestError(503, "the server stops; send the request to another one");
  if (c.req.header("Content-Encoding") !== undefined) throw new RequestError(415, "send the body without compression");
}

function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins.includes("*") ? "*" : [...origins],
    allowHeaders: ["Authorization", "Content-Type", "X-API-Key", "X-Request-Id", "traceparent", HEADER_LENGTH],
    exposeHeaders: ["X-Request-Id", "Retry-After", HEADER_LENGTH],
  });
}

/** Logs and counts each request, and passes its trace on. Probes are logged for level debug only, 503 too. */
function observed(service: Service, routes: readonly RouteDescription[]): MiddlewareHandler {
  const { log, metrics } = service;
  const quiet = new Set(routes.filter(({ isOpen }) => isOpen).map(({ path }) => path)).add("/metrics");
  return async (c, next) => {
    const start = performance.now();
    await next();
    const ms = performance.now() - start;
    const { status } = c.res;
    const { method, path } = c.req;
    const route = (c.get("route") as string | undefined) ?? "none";
    const trace = c.req.header("traceparent");
    const traceId = traceIdOf(trace);
    if (service.phase === "stopping") c.header("Connection", "close");
    if (traceId !== undefined) c.header("traceparent", trace);
    metrics.countRequest(route, status, ms);
    const line = { requestId: c.get("requestId"), traceId, method, path, status, ms };
    const failure = c.error && (status === 500 ? { err: c.error } : { error: c.error.message });
    log[failure && status >= 500 ? "error" : quiet.has(route) ? "debug" : "info"]({ ...line, ...failure }, "request");
  };
}
