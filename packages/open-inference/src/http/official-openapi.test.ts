import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { askerOf, inferBody, posted, serviceOf } from "../testing/sums.ts";

/**
 * open_inference_rest.yaml of kserve/open-inference-protocol at d49cc23f (Apache-2.0), unchanged. OpenAPI writes a
 * parameter of a path as `{NAME}`, and the file as `${NAME}`, which is changed here. The protocol's text makes the
 * version optional, and the file does not: both kinds of path are checked by the file's only one.
 */
const text = readFileSync(new URL("../testing/open_inference_rest.yaml", import.meta.url), "utf8");
const document = parse(text.replaceAll("${", "{")) as Document;

interface Operation {
  readonly responses: {
    readonly [status: string]: { readonly content?: { readonly "application/json": { readonly schema: object } } };
  };
}

interface Document {
  readonly paths: { readonly [path: string]: { readonly get?: Operation; readonly post?: Operation } };
}

const ajv = new Ajv({ strict: false }).addSchema(document, "official"); // `x-examples` is no keyword of JSON Schema

/** Throws for an answer that the file does not describe. */
function check(method: "get" | "post", path: string, { status, body }: { status: number; body: unknown }): void {
  const operation = document.paths[path]?.[method];
  const response = operation?.responses[String(status)];
  if (!response) throw new Error(`the file has no status ${status} of ${method} ${path}`);
  if (!response.content) return;
  const pointer = [path, method, "responses", String(status), "content", "application/json", "schema"];
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")));
  const validate = ajv.getSchema(`official#/paths/${escaped.join("/")}`);
  if (!validate) throw new Error(`there is no schema at ${pointer.join(" ")}`);
  if (!validate(body)) throw new Error(ajv.errorsText(validate.errors));
}

const ask = askerOf(serviceOf());
const official = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}";
const models = ["/v2/models/sums", "/v2/models/sums/versions/1"];

describe("answers as the official OpenAPI file describes them", () => {
  it.each<readonly [string, string]>([
    ["/v2", "/v2/"],
    ["/v2/health/live", "/v2/health/live"],
    ["/v2/health/ready", "/v2/health/ready"],
    ...models.map((model) => [model, official] as const),
    ...models.map((model) => [`${model}/ready`, `${official}/ready`] as const),
  ])("GET %s", async (path, described) => {
    check("get", described, await ask(path));
  });

  it.each(models)("POST %s/infer", async (model) => {
    const outputs = [{ name: "embedding" }, { name: "sums", parameters: { classification: 2 } }];
    for (const body of [inferBody(), inferBody({}, { id: "7", outputs })]) {
      const answer = await ask(`${model}/infer`, posted(body));
      expect(answer.status).toBe(200);
      check("post", `${official}/infer`, answer);
    }
    const refused = await ask(`${model}/infer`, posted(inferBody({ datatype: "INT8" })));
    expect(refused.status).toBe(400);
    check("post", `${official}/infer`, refused);
  });
});

it("the check sees a wrong answer", () => {
  const body = { model_name: "m", outputs: [{ name: "logits", shape: ["1"], datatype: "FP32", data: [1] }] };
  expect(() => check("post", `${official}/infer`, { status: 200, body })).toThrow(/shape\/0 must be integer/);
  expect(() => check("get", official, { status: 200, body: { name: "m" } })).toThrow(/platform/);
});
