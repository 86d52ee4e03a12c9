import type { Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { RequestError, retryAfterOf, shownError, statusOf } from "../errors.ts";
import type { Route, RouteDescription } from "./route.ts";

/**
 * Adds routes to an app. Other methods of their paths are answered 405, errors as `{ "error": message, "code": code }`.
 * `before` may refuse a request by an error. The context's variable `route` has the path's pattern.
 */
export function mount<Service>(
  app: Hono,
  routes: readonly Route<Service>[],
  service: Service,
  before: (c: Context, route: RouteDescription) => void = () => {},
): void {
  for (const route of routes)
    app.on(route.method, honoPath(route), (c: Context) => {
      c.set("route", route.path);
      before(c, route);
      return route.handle(c, service);
    });
  for (const route of routes) app.all(honoPath(route), (c) => refuseMethod(c, route, routes));
  app.onError(answerError);
}

const honoPath = ({ path }: RouteDescription): string => path.replaceAll(/\{(\w+)\}/g, ":$1");

function refuseMethod(c: Context, { path }: RouteDescription, routes: readonly RouteDescription[]): Response {
  const methods = routes.filter((each) => each.path === path).map(({ method }) => method.toUpperCase());
  c.header("Allow", methods.join(", "));
  return answerError(new RequestError(405, `${path} takes ${methods.join(", ")}, found ${c.req.method}`), c);
}

/** The answer of an error: `{ "error": message, "code": code }`. */
export function answerError(error: Error, c: Context): Response {
  c.error = error;
  const status = c.req.raw.signal.aborted ? 499 : statusOf(error);
  if (status === 503) c.header("Retry-After", String(retryAfterOf(error) ?? 1));
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.json(shownError(error), status as ContentfulStatusCode);
}
