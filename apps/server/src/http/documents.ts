import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { version } from "@residual/core";
import { get, json, openApi, type Route } from "@residual/open-inference/http";
import type { Context } from "hono";
import { z } from "zod";
import type { Service } from "../service.ts";

const html = { "text/html": z.string() };

/** The OpenAPI document, pages for people, and the metrics. */
export function documentRoutes(described: readonly Route<Service>[]): readonly Route<Service>[] {
  const [index, docs] = [page("index.html"), page("docs.html")];
  const routes: readonly Route<Service>[] = [
    get("/metrics", "Metrics for Prometheus", { "text/plain": z.string() }, async (c, { metrics: { registry } }) =>
      c.body(await registry.metrics(), 200, { "Content-Type": registry.contentType }),
    ),
    get("/openapi.json", "These routes as an OpenAPI document", json(z.object({})), (c) => c.json(document), "open"),
    get("/docs", "These routes as a page", html, docs, "open"),
    get("/", "A page that classifies a picture", html, index, "open"),
  ];
  const document = openApi([...described, ...routes], { title: "Residual", version });
  return routes;
}

/** Answers with a page, which may run its own script and style, and ask this server only. */
function page(name: string): (c: Context) => Response | Promise<Response> {
  const text = readFileSync(new URL(`../../pages/${name}`, import.meta.url), "utf8");
  const sourceOf = (tag: string) => {
    const [, inner = ""] = new RegExp(`<${tag}[^>]*>(.*?)</${tag}>`, "s").exec(text) ?? [];
    return `${tag}-src 'sha256-${createHash("sha256").update(inner).digest("base64")}'`;
  };
  const fixed = "default-src 'none'; img-src blob: data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
  const policy = `${fixed}; ${sourceOf("script")}; ${sourceOf("style")}`;
  return (c) => c.html(text, 200, { "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff" });
}
