import { describe, expect, it } from "vitest";
import { RequestError } from "../errors.ts";
import { askerOf, image, inferBody, posted, serviceOf, sums } from "../testing/sums.ts";
import { HEADER_LENGTH } from "./index.ts";

const ask = askerOf(serviceOf());
const infer = (body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
  ask("/v2/models/sums/infer", posted(body, headers));
const json = (change: object = {}, rest: object = {}) => infer(inferBody(change, rest));

/** A request with its tensor behind the JSON. */
function binary({ buffer, byteLength }: ArrayBufferView<ArrayBuffer>, change: object = {}, rest: object = {}) {
  const head = Buffer.from(
    inferBody({ data: undefined, parameters: { binary_data_size: byteLength }, ...change }, rest),
  );
  const body = new Uint8Array(Buffer.concat([head, new Uint8Array(buffer)]));
  return infer(body, { [HEADER_LENGTH]: String(head.length) });
}

const outputsOf = ({ body }: { readonly body: unknown }) =>
  (body as { readonly outputs: readonly { readonly data: readonly unknown[] }[] }).outputs;

describe("what the server says of itself", () => {
  const entry = (name: string, state: string) => ({ name, version: "1", state, reason: "" });

  it.each([
    [
      "/v2",
      {
        name: "example",
        version: "1.2.3",
        extensions: ["binary_tensor_data", "classification", "model_repository"],
      },
    ],
    ["/v2/health/live", { live: true }],
    ["/v2/health/ready", { ready: true }],
    ["/v2/models/sums/ready", { name: "sums", ready: true }],
    ["/v2/models/sums/versions/1/ready", { name: "sums", ready: true }],
    [
      "/v2/models/sums",
      {
        name: "sums",
        versions: ["1"],
        platform: "example",
        inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3, 2, 2] }],
        outputs: [
          { name: "sums", datatype: "FP32", shape: [-1, 3] },
          { name: "embedding", datatype: "FP32", shape: [-1, 1] },
        ],
      },
    ],
  ])("%s", async (path, expected) => {
    expect(await ask(path)).toMatchObject({ status: 200, body: expected });
  });

  it("the index of the repository", async () => {
    const index = async (body: string) => (await ask("/v2/repository/index", posted(body))).body;
    expect(await index("")).toEqual([entry("sums", "READY"), entry("other", "UNAVAILABLE")]);
    expect(await index('{"ready":true}')).toEqual([entry("sums", "READY")]);
  });

  it.each([
    ["starting", "/v2/health/ready"],
    ["stopping", "/v2/health/ready"],
    ["stopping", "/v2/models/sums/ready"],
  ] as const)("503 while %s for %s", async (phase, path) => {
    expect(await askerOf(serviceOf({ phase }))(path)).toMatchObject({ status: 503, body: { ready: false } });
  });

  it("503 while a model is not ready", async () => {
    const models = new Map([["sums", { ...sums, state: "failed" }]]);
    for (const path of ["/v2/health/ready", "/v2/models/sums/ready"])
      expect(await askerOf(serviceOf({ models }))(path)).toMatchObject({ status: 503, body: { ready: false } });
  });

  it.each([
    ["/v2/models/other", "there is no model other; the ready models: sums"],
    ["/v2/models/sums/versions/7", "sums has no version 7, expected 1"],
  ])("404 for %s", async (path, error) => {
    expect(await ask(path)).toMatchObject({ status: 404, body: { error, code: "RequestError" } });
  });

  it("405 for another method, with those that it takes", async () => {
    const { status, headers } = await ask("/v2/models/sums/infer");
    expect([status, headers.get("Allow")]).toEqual([405, "POST"]);
  });
});

describe("infer", () => {
  it("answers all outputs, and the request's id", async () => {
    expect(await json({}, { id: "7" })).toMatchObject({
      status: 200,
      body: {
        id: "7",
        model_name: "sums",
        model_version: "1",
        outputs: [
          { name: "sums", datatype: "FP32", shape: [1, 3], data: [10, 26, 42] },
          { name: "embedding", datatype: "FP32", shape: [1, 1], data: [1] },
        ],
      },
    });
  });

  it("answers the requested outputs in their order", async () => {
    const found = outputsOf(await json({}, { outputs: [{ name: "embedding" }, { name: "sums" }] }));
    expect(found.map(({ data }) => data)).toEqual([[1], [10, 26, 42]]);
  });

  it("takes nested arrays", async () => {
    const planes = [0, 4, 8].map((at) => [image.slice(at, at + 2), image.slice(at + 2, at + 4)]);
    expect(outputsOf(await json({ data: [planes] }))[0]!.data).toEqual([10, 26, 42]);
  });

  it("takes and gives binary data, as the same numbers", async () => {
    const outputs = [{ name: "sums", parameters: { binary_data: true } }, { name: "embedding" }];
    const { body, headers } = await binary(Float32Array.from(image), {}, { outputs });
    const bytes = Buffer.from(body as Uint8Array);
    const length = Number(headers.get(HEADER_LENGTH));
    const head = JSON.parse(bytes.subarray(0, length).toString()) as { readonly outputs: unknown };
    expect(head.outputs).toEqual([
      { name: "sums", datatype: "FP32", shape: [1, 3], parameters: { binary_data_size: 12 } },
      { name: "embedding", datatype: "FP32", shape: [1, 1], data: [1] },
    ]);
    expect([0, 4, 8].map((at) => bytes.readFloatLE(length + at))).toEqual([10, 26, 42]);
    expect(bytes.length).toBe(length + 12);
  });

  it("gives texts as binary data, each behind its length", async () => {
    const outputs = [{ name: "sums", parameters: { classification: 1 } }];
    const rest = { outputs, parameters: { binary_data_output: true } };
    const { body, headers } = await binary(Float32Array.from(image), {}, rest);
    const bytes = Buffer.from(body as Uint8Array).subarray(Number(headers.get(HEADER_LENGTH)));
    expect(bytes).toEqual(Buffer.from("\x10\0\0\x0042.000000:2:blue"));
  });

  it.each([
    ["FP64", Float64Array.from(image)],
    ["UINT8", Uint8Array.from(image)],
    [
      "FP16",
      Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980, 0x4a00),
    ], // IEEE 754-2008
  ] as const)("takes %s where each value is a float32", async (datatype, data) => {
    expect(outputsOf(await binary(data, { datatype }))[0]!.data).toEqual([10, 26, 42]);
  });

  const numbers = (first: unknown) => [first, ...image.slice(1)];
  it.each([
    [
      "a datatype",
      { datatype: "INT64" },
      "input image: datatype INT64 is not supported, expected FP32, FP64, FP16, UINT8; send FP32",
    ],
    [
      "an inherited name as datatype",
      { datatype: "constructor" },
      "input image: datatype constructor is not supported",
    ],
    ["FP16 as JSON", { datatype: "FP16" }, "input image: FP16 has no JSON form; send it as binary data"],
    [
      "an FP64 that is no float32",
      { datatype: "FP64", data: numbers(0.1) },
      "element 0 is 0.1, expected a float32; send FP32",
    ],
    [
      "a UINT8 out of range",
      { datatype: "UINT8", data: numbers(256) },
      "element 0 is 256, expected a whole number from 0 to 255",
    ],
    ["a number beyond float32", { data: numbers(1e39) }, "element 0 is Infinity, expected a finite float32"],
    ["a text among the numbers", { data: numbers("1") }, "element 0 is a string, expected a number"],
    ["null among the numbers", { data: numbers(null) }, "element 0 is a object, expected a number"],
    ["too few numbers", { data: [1] }, "found an array of 1, expected 12 for its shape"],
    ["a nesting that is not the shape", { data: [[1, 2]] }, "found an array of 2, expected 12 for its shape"],
    ["no data", { data: undefined }, "found no `data`, expected an array of numbers"],
    ["another size", { shape: [1, 3, 1, 1] }, "input image: found shape [1, 3, 1, 1], expected [N, 3, 2, 2]"],
    ["an empty batch", { shape: [0, 3, 2, 2], data: [] }, "found shape [0, 3, 2, 2], expected [N, 3, 2, 2]"],
    ["another rank", { shape: [12] }, "found shape [12], expected [N, 3, 2, 2]"],
    ["another name", { name: "input" }, "found the inputs input, expected one input image"],
    [
      "a fraction in the shape",
      { shape: [1.5, 3, 2, 2] },
      "inputs[0].shape[0]: Invalid input: expected int, received number",
    ],
    ["no shape", { shape: undefined }, "inputs[0].shape: Invalid input: expected array, received undefined"],
  ])("400 for %s", async (_, change, error) => {
    const { status, body } = await json(change);
    expect([status, body]).toEqual([400, { error: expect.stringContaining(error) as string, code: "RequestError" }]);
  });

  it("413 for more images than a request may hold, before memory is taken", async () => {
    const error = "input image: found 1000000000000 images, expected at most 4 in a request";
    expect(await json({ shape: [1e12, 3, 2, 2] })).toMatchObject({ status: 413, body: { error } });
  });

  it("413 for a body that is too large", async () => {
    expect(await infer(" ".repeat(10_001))).toMatchObject({ status: 413 });
  });

  it("503 from the model's check, before the body is read", async () => {
    const check = ({ deadline }: { readonly deadline?: number | undefined }) => {
      throw new RequestError(503, `no time within ${deadline} ms`);
    };
    const busy = askerOf(serviceOf({ models: new Map([["sums", { ...sums, check }]]) }));
    const unread = new ReadableStream(
      {
        pull() {
          throw new Error("the body is read");
        },
      },
      { highWaterMark: 0 },
    );
    const answer = await busy("/v2/models/sums/infer", { method: "POST", body: unread, duplex: "half" });
    expect(answer).toMatchObject({ status: 503, body: { error: "no time within 1000 ms" } });
  });

  it("422 for numbers that overflow in the model", async () => {
    expect(await json({ data: image.map(() => 3e38) })).toMatchObject({ status: 422 });
  });

  it("400 for an unknown output", async () => {
    const error = "sums has no output layer9, expected sums, embedding";
    expect(await json({}, { outputs: [{ name: "layer9" }] })).toMatchObject({ status: 400, body: { error } });
  });

  it.each([
    ["text", "cat", {}, `the body is not JSON in UTF-8; binary data needs the header ${HEADER_LENGTH}`],
    ["nothing", "", {}, "the body is not JSON in UTF-8"],
    ["no object", "[]", {}, "Invalid input: expected object, received array"],
    [
      "a length that is no number",
      "{}",
      { [HEADER_LENGTH]: "-1" },
      `${HEADER_LENGTH} is -1, expected a length within 2 bytes`,
    ],
    [
      "a length beyond the body",
      "{}",
      { [HEADER_LENGTH]: "3" },
      `${HEADER_LENGTH} is 3, expected a length within 2 bytes`,
    ],
    [
      "bytes without a size",
      `${inferBody()}1234`,
      { [HEADER_LENGTH]: String(inferBody().length) },
      "found 4 bytes of binary data, expected 0",
    ],
  ])("400 for a body of %s", async (_, text, headers, error) => {
    const { status, body } = await infer(text, headers);
    expect([status, body]).toMatchObject([400, { error: expect.stringContaining(error) as string }]);
  });

  it("400 for a tensor that is shorter than its shape", async () => {
    const error = "input image: found 8 bytes, expected 48 for the shape [1, 3, 2, 2]";
    expect(await binary(new Float32Array(2))).toMatchObject({ status: 400, body: { error } });
  });
});

describe("load and unload", () => {
  const path = (name: string, work: string) => `/v2/repository/models/${name}/${work}`;

  it("403 unless clients may", async () => {
    for (const work of ["load", "unload"])
      expect(await ask(path("sums", work), posted(""))).toMatchObject({ status: 403, body: { code: "RequestError" } });
  });

  it("take listed models only", async () => {
    const called: string[] = [];
    const load = async (name: string) => called.push(`load ${name}`);
    const unload = async (name: string) => called.push(`unload ${name}`);
    const controlled = askerOf(serviceOf({ control: { load, unload } }));
    const status = async (name: string, work: string) => (await controlled(path(name, work), posted(""))).status;
    expect(await status("other", "load")).toBe(200);
    expect(await status("sums", "unload")).toBe(200);
    expect(await status("other", "unload")).toBe(404); // it is not loaded
    expect(await status("x", "load")).toBe(404);
    expect(called).toEqual(["load other", "unload sums"]);
  });
});
