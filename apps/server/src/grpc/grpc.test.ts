import { readFileSync } from "node:fs";
import { type Metadata, status } from "@grpc/grpc-js";
import { fixtureInput } from "@residual/core";
import { GrpcClient } from "@residual/open-inference/testing/grpc-client";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ask, running } from "../testing/running.ts";

function clientOf({ grpc }: { readonly grpc: string | undefined }): GrpcClient {
  const client = new GrpcClient(grpc!);
  afterAll(() => client[Symbol.dispose]());
  return client;
}

const name = "cifar_resnet20";
const server = await running({ models: [{ name, model: name, weights: "fixture:v1" }], maxBytes: 2 ** 20 });
const client = clientOf(server);

const shape = [4, 3, 32, 32];
const { data } = fixtureInput("v1", shape);
const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** PyTorch's float64 logits: conformance/golden/README.md */
const golden = JSON.parse(
  readFileSync(new URL("../../../../conformance/golden/infer/cifar_resnet20_4x3x32x32.json", import.meta.url), "utf8"),
) as {
  readonly logits: { readonly values: readonly number[] };
  readonly fp32: { readonly logits: { readonly relToMax: number } };
};

function expectGolden(found: readonly number[]): void {
  const expected = golden.logits.values;
  const bound = 10 * golden.fp32.logits.relToMax * Math.max(...expected.map(Math.abs));
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(bound);
}

const tensor = (change: object = {}) => ({ name: "image", datatype: "FP32", shape, ...change });
const contents = { fp32_contents: [...data] };

interface Answer {
  readonly outputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly contents: { readonly fp32_contents: readonly number[]; readonly bytes_contents: readonly Buffer[] } | null;
  }[];
  readonly raw_output_contents: readonly Buffer[];
}

const infer = async (message: object, options: Parameters<GrpcClient["call"]>[2] = {}) =>
  (await client.call("ModelInfer", { model_name: name, ...message }, options)) as Answer;

describe("what the server says of itself", () => {
  it.each([
    ["ServerLive", {}, { live: true }],
    ["ServerReady", {}, { ready: true }],
    ["ServerMetadata", {}, { name: "residual", extensions: expect.arrayContaining(["classification"]) as string[] }],
    ["ModelReady", { name }, { ready: true }],
    ["ModelReady", { name, version: "1" }, { ready: true }],
    ["RepositoryIndex", {}, { models: [{ name, version: "1", state: "READY", reason: "" }] }],
  ])("%s %j", async (call, message, expected) => {
    expect(await client.call(call, message)).toMatchObject(expected);
  });

  it("the model's inputs and outputs, with -1 for the open batch", async () => {
    expect(await client.call("ModelMetadata", { name })).toEqual({
      name,
      versions: ["1"],
      platform: "residual",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3, 32, 32] }],
      outputs: [
        { name: "logits", datatype: "FP32", shape: [-1, 10] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
        { name: "embedding", datatype: "FP32", shape: [-1, 64] },
      ],
      properties: {},
    });
  });
});

describe("ModelInfer", () => {
  const outputs = [{ name: "logits" }];

  it("gives PyTorch's logits as contents for contents", async () => {
    const answer = await infer({ id: "7", inputs: [tensor({ contents })], outputs });
    expect(answer).toMatchObject({ model_name: name, model_version: "1", id: "7", raw_output_contents: [] });
    expect(answer.outputs).toMatchObject([{ name: "logits", datatype: "FP32", shape: [4, 10] }]);
    expectGolden(answer.outputs[0]!.contents!.fp32_contents);
  });

  it("gives PyTorch's logits as raw contents for raw contents", async () => {
    const answer = await infer({ inputs: [tensor()], outputs, raw_input_contents: [raw] });
    expect(answer.outputs[0]).toMatchObject({ name: "logits", shape: [4, 10], contents: null });
    const [bytes] = answer.raw_output_contents;
    expectGolden(Array.from({ length: 40 }, (_, i) => bytes!.readFloatLE(4 * i)));
  });

  it("gives all outputs where none is named, in the model's order", async () => {
    const { outputs: found } = await infer({ inputs: [tensor({ contents })] });
    expect(found.map((each) => each.name)).toEqual(["logits", "probabilities", "embedding"]);
  });

  it("gives classes as Triton's classification extension", async () => {
    const classes = [{ name: "logits", parameters: { classification: { int64_param: 2 } } }];
    const { outputs: found } = await infer({ inputs: [tensor({ contents })], outputs: classes });
    expect(found[0]).toMatchObject({ datatype: "BYTES", shape: [4, 2] });
    const rows = golden.logits.values;
    const best = rows.indexOf(Math.max(...rows.slice(0, 10)));
    expect(found[0]!.contents!.bytes_contents[0]!.toString()).toMatch(new RegExp(`^-?\\d+\\.\\d{6}:${best}:`));
    const [bytes] = (await infer({ inputs: [tensor()], outputs: classes, raw_input_contents: [raw] }))
      .raw_output_contents; // a text's length in four bytes before it
    expect(bytes!.subarray(4, 4 + bytes!.readUInt32LE())).toEqual(found[0]!.contents!.bytes_contents[0]);
  });

  it("refuses a message that is too large", async () => {
    const inputs = [tensor({ shape: [100, 3, 32, 32] })];
    await expect(infer({ inputs, raw_input_contents: [Buffer.alloc(1_228_800)] })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
  });
});

it("answers UNAVAILABLE for what the queue does not hold, and all of the rest", async () => {
  const small = clientOf(await running({ maxBatch: 1, maxWaiting: 2 }));
  const message = { inputs: [tensor({ shape: [1, 3, 32, 32] })], raw_input_contents: [raw.subarray(0, 12288)] };
  const calls = Array.from({ length: 64 }, () => small.call("ModelInfer", { model_name: name, ...message }));
  const results = await Promise.allSettled(calls);
  const refused = results.filter((result) => result.status === "rejected").map((result) => result.reason as object);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(64);
  for (const error of refused)
    expect(error).toMatchObject({ code: status.UNAVAILABLE, metadata: expect.toSatisfy(saysWhen) as object });
});

/** How long a client waits before it tries again: gRPC proposal A6. */
const saysWhen = (metadata: Metadata): boolean => Number(metadata.get("grpc-retry-pushback-ms")[0]) >= 1000;

it("gives a call up whose deadline cannot be met", async () => {
  const slow = clientOf(await running({ maxBatch: 1 }));
  const message = { model_name: name, inputs: [tensor()], raw_input_contents: [raw] };
  const before = [slow.call("ModelInfer", message), slow.call("ModelInfer", message)]; // 8 runs
  const parameters = { timeout: { int64_param: 1 } }; // 1 µs
  await expect(slow.call("ModelInfer", { ...message, parameters })).rejects.toMatchObject({
    code: expect.toBeOneOf([status.UNAVAILABLE, status.DEADLINE_EXCEEDED]) as number,
    details: expect.stringMatching(/deadline/) as string,
  });
  await Promise.all(before);
});

describe("metadata", async () => {
  const closed = await running({ apiKeys: ["secret"] });
  const keyed = clientOf(closed);

  it("refuses calls without a valid API key, except those of probes", async () => {
    for (const metadata of [{}, { "x-api-key": "wrong" }, { authorization: "Bearer wrong" }])
      await expect(keyed.call("ModelMetadata", { name }, { metadata })).rejects.toMatchObject({
        code: status.UNAUTHENTICATED,
      });
    for (const metadata of [{ "x-api-key": "secret" }, { authorization: "Bearer secret" }])
      expect(await keyed.call("ModelMetadata", { name }, { metadata })).toMatchObject({ name });
    expect(await keyed.call("ServerReady")).toEqual({ ready: true });
  });

  it("passes request ids and W3C's trace context back", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await client.call("ServerMetadata", {}, { metadata: { traceparent, "x-request-id": "abc" } });
    expect(client.metadata.getMap()).toMatchObject({ traceparent, "x-request-id": "abc" });
    await client.call("ServerMetadata", {}, { metadata: { traceparent: "x", "x-request-id": "no spaces" } });
    expect(client.metadata.getMap().traceparent).toBeUndefined();
    expect(client.metadata.getMap()["x-request-id"]).toMatch(/^[\da-f-]{36}$/);
  });

  it("counts calls by their status", async () => {
    const calls = [
      infer({ inputs: [tensor({ contents })] }),
      infer({ model_name: "x" }),
      infer({ inputs: [tensor()] }),
    ];
    await Promise.allSettled(calls);
    const { body } = await ask(`${server.url}/metrics`);
    const route = "/inference.GRPCInferenceService/ModelInfer";
    const counted = (body as string).split("\n").filter((line) => line.includes(`_total{route="${route}"`));
    expect(counted.map((line) => line.match(/status="(\w+)"/)![1])).toEqual(
      expect.arrayContaining(["OK", "NOT_FOUND", "INVALID_ARGUMENT"]),
    );
  });
});

describe("load and unload", () => {
  it("are refused unless the server lets clients", async () => {
    for (const call of ["RepositoryModelLoad", "RepositoryModelUnload"])
      await expect(client.call(call, { model_name: name })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it("take listed models", async () => {
    const controlled = clientOf(await running({ modelControl: true }));
    await controlled.call("RepositoryModelUnload", { model_name: name });
    expect(await controlled.call("ModelReady", { name })).toEqual({ ready: false });
    expect(await controlled.call("RepositoryIndex", { ready: true })).toEqual({ models: [] });
    await controlled.call("RepositoryModelLoad", { model_name: name });
    expect(await controlled.call("ModelReady", { name })).toEqual({ ready: true });
    await expect(controlled.call("RepositoryModelLoad", { model_name: "x" })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });
});

it("answers pending calls while it stops, and refuses others", async () => {
  const stopping = await running({ maxBatch: 1, maxWaiting: 32 });
  const caller = clientOf(stopping);
  const images = 32;
  const message = {
    model_name: name,
    inputs: [tensor({ shape: [images, 3, 32, 32] })],
    raw_input_contents: [Buffer.alloc(images * 12_288)],
  };
  const pending = caller.call("ModelInfer", message);
  const waiting = /^residual_queue_images\{.*\} [1-9]/m; // the call has arrived: its first image runs, the others wait
  await vi.waitUntil(async () => waiting.test(String((await ask(`${stopping.url}/metrics`)).body)), {
    timeout: 20_000,
    interval: 1,
  });
  const closed = stopping.close();
  expect(await pending).toMatchObject({ model_name: name });
  await closed;
  await expect(caller.call("ModelInfer", message, { deadline: 2000 })).rejects.toMatchObject({
    code: status.UNAVAILABLE,
  });
});
