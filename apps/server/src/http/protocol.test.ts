import { cifar10, decodeImage, preprocess } from "@residual/vision";
import { describe, expect, it } from "vitest";
import { ask, photo, post, running } from "../testing/running.ts";

const server = await running();
const model = `${server.url}/v2/models/cifar_resnet20`;
const header = "Inference-Header-Content-Length";

/** The cat as the model's input: PyTorch gives it 98.2 % for cat, class 3. */
const cat = preprocess(await decodeImage(photo("chelsea.png")), cifar10);

interface Inference {
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data?: readonly (number | string)[];
    readonly parameters?: { readonly binary_data_size: number };
  }[];
}

/** A request with its tensor behind the JSON. */
function binaryRequest(bytes: Uint8Array, input: object = {}, rest: object = {}) {
  const tensor = {
    name: "image",
    shape: cat.shape,
    datatype: "FP32",
    parameters: { binary_data_size: bytes.length },
    ...input,
  };
  const json = Buffer.from(JSON.stringify({ inputs: [tensor], ...rest }));
  return { body: Buffer.concat([json, bytes]), headers: { [header]: String(json.length) } };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** The class with the largest of ten numbers. */
const largest = (data: readonly (number | string)[] = []) => data.indexOf(Math.max(...data.map(Number)));

describe("what the server says of itself", () => {
  it.each([
    ["/v2", { name: "residual", version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string }],
    ["/v2/health/live", { live: true }],
    ["/v2/health/ready", { ready: true }],
    ["/v2/models/cifar_resnet20/ready", { name: "cifar_resnet20", ready: true }],
    ["/v2/models/cifar_resnet20/versions/1/ready", { name: "cifar_resnet20", ready: true }],
  ])("%s", async (path, expected) => {
    expect(await ask(server.url + path)).toMatchObject({ status: 200, body: expected });
  });

  it.each(["", "/versions/1"])("the model's metadata%s, with -1 for the open batch", async (version) => {
    const { body } = await ask(model + version);
    expect(body).toEqual({
      name: "cifar_resnet20",
      versions: ["1"],
      platform: "residual",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 3, 32, 32] }],
      outputs: [
        { name: "logits", datatype: "FP32", shape: [-1, 10] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
        { name: "embedding", datatype: "FP32", shape: [-1, 64] },
      ],
    });
  });

  it("the index of the repository", async () => {
    const ready = [{ name: "cifar_resnet20", version: "1", state: "READY", reason: "" }];
    expect(await post(`${server.url}/v2/repository/index`, "")).toMatchObject({ status: 200, body: ready });
    expect(await post(`${server.url}/v2/repository/index`, '{"ready":true}')).toMatchObject({ body: ready });
  });

  it.each([
    ["/v2/models/resnet50", "there is no model resnet50; the ready models: cifar_resnet20"],
    ["/v2/nothing", "there is no /v2/nothing; /docs lists the routes"],
  ])("404 for %s", async (path, error) => {
    expect(await ask(server.url + path)).toMatchObject({ status: 404, body: { error, code: "RequestError" } });
  });
});

describe("infer", () => {
  const json = (change: object = {}, rest: object = {}) => {
    const input = { name: "image", shape: cat.shape, datatype: "FP32", data: [...cat.data], ...change };
    return post(`${model}/infer`, JSON.stringify({ inputs: [input], ...rest }));
  };

  it("answers all outputs, and the request's id", async () => {
    const { status, body } = await json({}, { id: "7" });
    const { outputs, ...rest } = body as Inference;
    expect([status, rest]).toEqual([200, { id: "7", model_name: "cifar_resnet20", model_version: "1" }]);
    expect(outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["logits", "FP32", [1, 10]],
      ["probabilities", "FP32", [1, 10]],
      ["embedding", "FP32", [1, 64]],
    ]);
    expect(largest(outputs[0]!.data)).toBe(3);
    expect(outputs[1]!.data![3]).toBeCloseTo(0.982, 3);
  });

  it("answers each image of a batch as if it were alone", async () => {
    const { body } = await json({ shape: [2, 3, 32, 32], data: [...cat.data.map(() => 0), ...cat.data] });
    const [alone, both] = [(await json()).body as Inference, body as Inference];
    expect(both.outputs[0]!.shape).toEqual([2, 10]);
    expect(both.outputs[0]!.data!.slice(10)).toEqual(alone.outputs[0]!.data);
  });

  it("answers classes as Triton's classification extension: value:index:label", async () => {
    const outputs = [
      { name: "probabilities", parameters: { classification: 2 } },
      { name: "embedding", parameters: { classification: 1 } },
    ];
    const [classes, feature] = ((await json({}, { outputs })).body as Inference).outputs;
    expect(classes).toMatchObject({ datatype: "BYTES", shape: [1, 2] });
    expect(classes!.data![0]).toMatch(/^0\.982\d{3}:3:cat$/);
    expect(classes!.data![1]).toMatch(/^0\.0\d{5}:5:dog$/);
    expect(feature!.data![0]).toMatch(/^\d+\.\d{6}:\d+$/);
  });

  it("takes and gives binary data, as the same numbers", async () => {
    const expected = ((await json()).body as Inference).outputs[0]!.data!;
    const outputs = [{ name: "logits", parameters: { binary_data: true } }, { name: "probabilities" }];
    const { body, headers } = binaryRequest(bytesOf(cat.data), {}, { outputs });
    const response = await fetch(`${model}/infer`, { method: "POST", body, headers });
    const length = Number(response.headers.get(header));
    const bytes = Buffer.from(await response.arrayBuffer());
    const found = JSON.parse(bytes.subarray(0, length).toString()) as Inference;
    expect(found.outputs[0]).toEqual({
      name: "logits",
      datatype: "FP32",
      shape: [1, 10],
      parameters: { binary_data_size: 40 },
    });
    expect(found.outputs[1]!.data).toHaveLength(10);
    const floats = Array.from({ length: 10 }, (_, index) => bytes.readFloatLE(length + 4 * index));
    expect(floats).toEqual(expected);
    expect(bytes.length).toBe(length + 40);
  });

  it("422 for numbers that overflow in the model", async () => {
    const { status } = await json({ data: Array.from(cat.data, () => 3e38) });
    expect(status).toBe(422);
  });
});

describe("load and unload", () => {
  it("403 unless the server lets clients", async () => {
    for (const work of ["load", "unload"]) {
      const { status, body } = await post(`${server.url}/v2/repository/models/cifar_resnet20/${work}`, "");
      expect([status, body]).toMatchObject([403, { code: "RequestError" }]);
    }
  });

  it("loads and unloads listed models only", async () => {
    const { url } = await running({ modelControl: true, models: [{ name: "a" }, { name: "b" }] });
    const control = (name: string, work: string) => post(`${url}/v2/repository/models/${name}/${work}`, "");
    expect(await control("b", "unload")).toMatchObject({ status: 200 });
    expect(await ask(`${url}/v2/models/b/ready`)).toMatchObject({ status: 404 });
    expect(await post(`${url}/v2/repository/index`, "")).toMatchObject({
      body: [
        { name: "a", state: "READY" },
        { name: "b", state: "UNAVAILABLE" },
      ],
    });
    expect(await control("b", "unload")).toMatchObject({ status: 404 });
    expect(await control("b", "load")).toMatchObject({ status: 200 });
    expect(await ask(`${url}/v2/models/b/ready`)).toMatchObject({ status: 200 });
    expect(await control("c", "load")).toMatchObject({
      status: 404,
      body: { error: "there is no model c; the listed models: a, b" },
    });
  });
});
