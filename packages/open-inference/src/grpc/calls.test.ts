import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { ResidualError } from "@residual/core";
import { afterAll, describe, expect, it } from "vitest";
import type { InferenceService } from "../service.ts";
import { GrpcClient } from "../testing/grpc-client.ts";
import { image, serviceOf, sums } from "../testing/sums.ts";
import { addInferenceServices } from "./services.ts";

const faults: unknown[] = [];

async function clientOf(service: InferenceService): Promise<GrpcClient> {
  const server = new Server();
  addInferenceServices(server, service, (error) => faults.push(error));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, found) =>
      error ? reject(error) : resolve(found),
    ),
  );
  const client = new GrpcClient(`127.0.0.1:${port}`);
  afterAll(() => {
    client[Symbol.dispose]();
    server.forceShutdown();
  });
  return client;
}

const client = await clientOf(serviceOf());
const tensor = (change: object = {}) => ({ name: "image", datatype: "FP32", shape: [1, 3, 2, 2], ...change });
const contents = { fp32_contents: image };
const raw = Buffer.from(Float32Array.from(image).buffer);
const infer = (message: object) => client.call("ModelInfer", { model_name: "sums", ...message });

it("the proto file is the official one, byte for byte", () => {
  const bytes = readFileSync(new URL("../../proto/open_inference_grpc.proto", import.meta.url));
  // kserve/open-inference-protocol at d49cc23f
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(
    "0f715460d60b014a23e06ac8e768cfa3d8336221cdb66bd7aeeab6dc27620b0f",
  );
});

it.each([
  ["ServerLive", {}, { live: true }],
  ["ServerReady", {}, { ready: true }],
  ["ServerMetadata", {}, { name: "example", version: "1.2.3" }],
  ["ModelReady", { name: "sums" }, { ready: true }],
  ["ModelReady", { name: "other" }, { ready: false }],
  ["ModelMetadata", { name: "sums" }, { platform: "example", inputs: [{ name: "image", shape: [-1, 3, 2, 2] }] }],
  ["RepositoryIndex", { ready: true }, { models: [{ name: "sums", version: "1", state: "READY", reason: "" }] }],
])("%s %j", async (call, message, expected) => {
  expect(await client.call(call, message)).toMatchObject(expected);
});

describe("ModelInfer", () => {
  it("gives contents for contents", async () => {
    const outputs = [{ name: "sums" }, { name: "sums", parameters: { classification: { int64_param: 1 } } }];
    expect(await infer({ id: "7", inputs: [tensor({ contents })], outputs })).toMatchObject({
      model_name: "sums",
      model_version: "1",
      id: "7",
      outputs: [
        { name: "sums", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [10, 26, 42] } },
        { datatype: "BYTES", shape: [1, 1], contents: { bytes_contents: [Buffer.from("42.000000:2:blue")] } },
      ],
      raw_output_contents: [],
    });
  });

  it("gives raw contents for raw contents", async () => {
    expect(await infer({ inputs: [tensor()], raw_input_contents: [raw] })).toMatchObject({
      outputs: [
        { name: "sums", contents: null },
        { name: "embedding", contents: null },
      ],
      raw_output_contents: [Buffer.from(Float32Array.of(10, 26, 42).buffer), Buffer.from(Float32Array.of(1).buffer)],
    });
  });

  const nan = { fp32_contents: image.map(() => Number.NaN) };
  const classification = [{ name: "sums", parameters: { classification: {} } }];
  it.each([
    ["an unknown model", { model_name: "sum" }, "NOT_FOUND", /no model sum; the ready models: sums/],
    ["an unknown version", { model_version: "2" }, "NOT_FOUND", /no version 2, expected 1/],
    ["another shape", { inputs: [tensor({ shape: [1, 3, 9, 9], contents })] }, "INVALID_ARGUMENT", /\[1, 3, 9, 9\]/],
    ["too few elements", { inputs: [tensor({ contents: { fp32_contents: [1] } })] }, "INVALID_ARGUMENT", /array of 1,/],
    ["no contents", { inputs: [tensor()] }, "INVALID_ARGUMENT", /no `data`/],
    ["NaN", { inputs: [tensor({ contents: nan })] }, "INVALID_ARGUMENT", /NaN/],
    ["another datatype", { inputs: [tensor({ datatype: "INT8", contents })] }, "INVALID_ARGUMENT", /INT8 is not/],
    ["a datatype of Object", { inputs: [tensor({ datatype: "toString", contents })] }, "INVALID_ARGUMENT", /toString/],
    ["two inputs", { inputs: [tensor({ contents }), tensor({ contents })] }, "INVALID_ARGUMENT", /one input/],
    ["short raw contents", { inputs: [tensor()], raw_input_contents: [raw.subarray(1)] }, "INVALID_ARGUMENT", /bytes/],
    ["two raw contents", { inputs: [tensor()], raw_input_contents: [raw, raw] }, "INVALID_ARGUMENT", /either/],
    [
      "raw contents and contents",
      { inputs: [tensor({ contents })], raw_input_contents: [raw] },
      "INVALID_ARGUMENT",
      /either/,
    ],
    [
      "a classification of 0",
      { inputs: [tensor({ contents })], outputs: classification },
      "INVALID_ARGUMENT",
      /classification: expected/,
    ],
    [
      "an unknown output",
      { inputs: [tensor({ contents })], outputs: [{ name: "x" }] },
      "INVALID_ARGUMENT",
      /no output x/,
    ],
  ] as const)("refuses %s", async (_, message, code, details) => {
    await expect(infer(message)).rejects.toMatchObject({
      code: status[code],
      details: expect.stringMatching(details) as string,
    });
  });
});

describe("errors of a model", () => {
  class OverloadedError extends ResidualError {
    readonly code = "OverloadedError";
    readonly retryAfter = 7;
  }
  const failing = (error: Error) =>
    clientOf(serviceOf({ models: new Map([["sums", { ...sums, infer: () => Promise.reject(error) }]]) }));
  const message = { model_name: "sums", inputs: [tensor({ contents })] };

  it("an overload is UNAVAILABLE, and says when to try again", async () => {
    const overloaded = await failing(new OverloadedError("full"));
    const saysWhen = (metadata: Metadata) => metadata.get("grpc-retry-pushback-ms")[0] === "7000";
    await expect(overloaded.call("ModelInfer", message)).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      metadata: expect.toSatisfy(saysWhen) as object,
    });
  });

  it("a fault is INTERNAL, told to the server and not to the client", async () => {
    const fault = new TypeError("secret");
    const call = (await failing(fault)).call("ModelInfer", message);
    await expect(call).rejects.toMatchObject({
      code: status.INTERNAL,
      details: expect.not.stringContaining("secret") as string,
    });
    expect(faults).toEqual([fault]);
  });
});

it("load and unload are PERMISSION_DENIED unless clients may", async () => {
  for (const call of ["RepositoryModelLoad", "RepositoryModelUnload"])
    await expect(client.call(call, { model_name: "sums" })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
});
