import { z } from "zod";
import type { Contents, RouteDescription } from "./route.ts";
import { failure } from "./schemas.ts";

/** The OpenAPI document of the routes: https://spec.openapis.org/oas/v3.1.1.html */
export function openApi(routes: readonly RouteDescription[], info: { title: string; version: string }): object {
  const paths: { [path: string]: { [method: string]: object } } = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) };
  const securitySchemes = {
    bearer: { type: "http", scheme: "bearer" },
    key: { type: "apiKey", in: "header", name: "X-API-Key" },
  };
  return { openapi: "3.1.1", info, paths, components: { securitySchemes } };
}

function operation({ path, summary, query, body, answer, isOpen }: RouteDescription): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => parameter(name!, "path", true, { type: "string" }));
  const { properties = {}, required = [] } = query ? schemaOf(query) : {};
  const inQuery = Object.entries(properties).map(([name, schema]) =>
    parameter(name, "query", required.includes(name), schema),
  );
  const problem = { description: "an error", content: contentOf({ "application/json": failure }) };
  return {
    summary,
    security: isOpen ? [] : [{ bearer: [] }, { key: [] }],
    parameters: [...inPath, ...inQuery],
    ...(body && { requestBody: { content: contentOf(body) } }),
    responses: { 200: { description: summary, content: contentOf(answer) }, "4XX": problem, "5XX": problem },
  };
}

const parameter = (name: string, place: "path" | "query", required: boolean, schema: unknown): object => ({
  name,
  in: place,
  required,
  schema,
});

const contentOf = (contents: Contents): object =>
  Object.fromEntries(Object.entries(contents).map(([type, schema]) => [type, { schema: schemaOf(schema) }]));

function schemaOf(schema: z.ZodType): z.core.JSONSchema.JSONSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}
