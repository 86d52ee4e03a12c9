import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { ask, inferBody, photo, post, running } from "../testing/running.ts";

interface Line {
  readonly requestId: string;
  readonly traceId?: string;
  readonly status: number;
  readonly path: string;
}
const lines: Line[] = [];
const server = await running({
  apiKeys: ["first-key", "second-key"],
  cors: ["https://photos.example"],
  maxBytes: 300_000,
  requestTimeout: 400,
  log: { write: (line) => lines.push(JSON.parse(line) as Line) },
});
const { url } = server;
const key = { "X-API-Key": "first-key" };
const infer = `${url}/v2/models/cifar_resnet20/infer`;
/** What a socket receives until it is closed. */
async function sentBack(...parts: readonly string[]): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  for (const part of parts) socket.write(part);
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.on("close", resolve));
  return text;
}

describe("API keys", () => {
  it.each([
    ["X-API-Key", { "X-API-Key": "second-key" }, 200],
    ["Bearer", { Authorization: "Bearer first-key" }, 200],
    ["bearer in small letters", { Authorization: "bearer first-key" }, 200],
    ["a wrong key", { "X-API-Key": "third-key" }, 401],
    ["a key's beginning", { "X-API-Key": "first" }, 401],
    ["another scheme", { Authorization: "Basic first-key" }, 401],
    ["an empty key", { "X-API-Key": "" }, 401],
    ["no key", {}, 401],
  ])("by %s", async (_, headers, expected) => {
    const { status } = await ask(`${url}/v2`, { headers });
    expect(status).toBe(expected);
  });

  it("are asked for by the header that HTTP has for it", async () => {
    const { headers, body } = await ask(`${url}/metrics`);
    expect([headers.get("WWW-Authenticate"), body]).toMatchObject(["Bearer", { code: "RequestError" }]);
  });

  it.each(["/", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready"])(
    "are not needed for %s",
    async (path) => {
      expect((await ask(url + path)).status).toBe(200);
    },
  );
});

describe("tracing", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  it("passes on the request's id and trace, and logs both", async () => {
    const { headers } = await ask(`${url}/v2`, { headers: { ...key, "X-Request-Id": "mine-7", traceparent } });
    expect([headers.get("X-Request-Id"), headers.get("traceparent")]).toEqual(["mine-7", traceparent]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        requestId: "mine-7",
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        path: "/v2",
        status: 200,
      }),
    );
  });

  it("makes an id for a request without one, and drops a damaged trace", async () => {
    const { headers } = await ask(`${url}/v2`, { headers: { ...key, traceparent: "00-4bf9" } });
    expect([headers.get("X-Request-Id"), headers.get("traceparent")]).toEqual([
      expect.stringMatching(/^[\da-f-]{36}$/),
      null,
    ]);
  });
});

describe("other pages' requests", () => {
  const preflight = (origin: string) =>
    ask(infer, { method: "OPTIONS", headers: { Origin: origin, "Access-Control-Request-Method": "POST" } });

  it("are answered for listed origins only", async () => {
    const [listed, other] = await Promise.all(["https://photos.example", "https://other.example"].map(preflight));
    expect(listed!.headers.get("Access-Control-Allow-Origin")).toBe("https://photos.example");
    expect(other!.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });
});

describe("limits", () => {
  it("413 for a body that says it is too large, and for one that turns out to be", async () => {
    const large = new Uint8Array(300_001);
    const chunked = { method: "POST", headers: key, body: new Blob([large]).stream(), duplex: "half" } as const;
    const error = "the body is too large, expected at most 300000 bytes";
    expect(await post(infer, large, key)).toMatchObject({ status: 413, body: { error } });
    expect(await ask(infer, chunked)).toMatchObject({ status: 413, body: { error } });
  });

  it("415 for a compressed body", async () => {
    expect(await post(infer, inferBody(), { ...key, "Content-Encoding": "gzip" })).toMatchObject({ status: 415 });
  });

  it("408 for a body that does not come, for a header that does not end, and for silence", async () => {
    const head = "POST /v1/classify HTTP/1.1\r\nHost: a\r\nX-API-Key: first-key\r\nContent-Length: 9\r\n";
    const answers = await Promise.all([sentBack(`${head}\r\n`, "abc"), sentBack(head), sentBack()]);
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("431 for headers that are too large", async () => {
    const answer = await sentBack(`GET /v2 HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("400 for what is not HTTP", async () => {
    expect(await sentBack("hello\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("503 with Retry-After when more images wait than may", async () => {
    const { url } = await running({ maxBatch: 1, maxWaiting: 100 });
    const bytes = new Uint8Array(100 * 3072);
    const parameters = { binary_data_size: bytes.length };
    const image = { name: "image", shape: [100, 3, 32, 32], datatype: "UINT8", parameters };
    const json = Buffer.from(JSON.stringify({ inputs: [image] }));
    const headers = { "Inference-Header-Content-Length": String(json.length) };
    const path = `${url}/v2/models/cifar_resnet20/infer`;
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post(path, Buffer.concat([json, bytes]), headers)),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect([1, 2, 3]).toContain(refused.length); // the first fills the queue
    for (const { status, headers, body } of refused) {
      expect([status, body]).toMatchObject([503, { code: "OverloadedError" }]);
      expect(Number(headers.get("Retry-After"))).toBeGreaterThanOrEqual(1);
    }
  });

  it("504 for a deadline that passes before the last image starts", async () => {
    const { url } = await running({ maxBatch: 1 });
    const body = JSON.stringify({ ...(JSON.parse(inferBody({}, 8)) as object), parameters: { timeout: 1 } });
    const answer = await post(`${url}/v2/models/cifar_resnet20/infer`, body); // a microsecond, as in Triton
    expect([answer.status, answer.body]).toMatchObject([504, { code: "DeadlineError" }]);
  });

  it("frees the place of a client that has gone", async () => {
    const gone = request(infer, { method: "POST", headers: { ...key, "X-Request-Id": "gone" } });
    gone.on("error", () => {});
    gone.write("{");
    gone.flushHeaders();
    await once(gone, "socket");
    setTimeout(() => gone.destroy(), 50);
    await expect.poll(() => lines.find(({ requestId }) => requestId === "gone")?.status).toBe(499);
  });
});

describe("/metrics", () => {
  it("counts requests, images and batches, and shows memory and readiness", async () => {
    await post(`${url}/v1/classify`, photo("chelsea.png"), key);
    const { headers, body } = await ask(`${url}/metrics`, { headers: key });
    expect(headers.get("Content-Type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const found = String(body).split("\n");
    for (const line of [
      'residual_requests_total{route="/v1/classify",status="200"} 1',
      'residual_request_seconds_count{route="/v1/classify"}',
      'residual_batch_images_count{model="cifar_resnet20"} 1',
      'residual_batch_seconds_count{model="cifar_resnet20"} 1',
      'residual_queue_seconds_count{model="cifar_resnet20"} 1',
      'residual_model_ready{model="cifar_resnet20"} 1',
      'residual_queue_images{model="cifar_resnet20"} 0',
      "process_resident_memory_bytes ",
    ])
      expect(found).toContainEqual(expect.stringContaining(line));
  });
});

describe("the documents", () => {
  it("/openapi.json describes every route that answers", async () => {
    const { body } = await ask(`${url}/openapi.json`);
    const { openapi, paths } = body as {
      readonly openapi: string;
      readonly paths: { readonly [path: string]: object };
    };
    expect(openapi).toMatch(/^3\.1\./);
    for (const [path, methods] of Object.entries(paths)) {
      const method = Object.keys(methods)[0]!.toUpperCase();
      const at = url + path.replaceAll("{name}", "nothing").replaceAll("{version}", "1");
      const { status } = await ask(at, { method, headers: key });
      expect([path, status]).not.toEqual([path, 405]);
      expect(status, path).not.toBe(500);
    }
    expect(Object.keys(paths)).toContain("/v2/models/{name}/versions/{version}/infer");
  });

  it.each(["/", "/docs"])("%s fetches nothing from elsewhere, and runs its own script only", async (path) => {
    const { headers, body } = await ask(url + path);
    expect(headers.get("Content-Security-Policy")).toMatch(
      /^default-src 'none'.*script-src 'sha256-.*style-src 'sha256-/,
    );
    expect(body).not.toMatch(/(src|href)="(https?:)?\/\//);
  });
});
