import { decodeImage } from "@residual/vision";
import { describe, expect, it } from "vitest";
import { ask, photo, post, running } from "../testing/running.ts";

const { url } = await running({
  maxImages: 3,
  models: [{ name: "first" }, { name: "second", labels: Array.from("abcdefghij") }],
});

const many = await running({ maxImages: 100, maxBatch: 4, maxWaiting: 8 });

/** A picture of one pixel. */
const dot = new TextEncoder().encode("P3 1 1 255 1 2 3");
const cat = { label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number };
const text = new TextEncoder().encode("not a picture");

function form(...files: readonly (readonly [name: string, bytes: Uint8Array<ArrayBuffer>])[]): FormData {
  const data = new FormData();
  for (const [name, bytes] of files) data.append("image", new Blob([bytes]), name);
  return data;
}

describe("/v1/classify", () => {
  it("names what is in the picture of the body", async () => {
    const { status, body } = await post(`${url}/v1/classify?top=1`, photo("chelsea.png"));
    expect([status, body]).toEqual([200, { model: "first", predictions: [cat] }]);
  });

  it("takes a body of unknown length", async () => {
    const body = new Blob([photo("chelsea.png")]).stream();
    const init = { method: "POST", body, duplex: "half" } as const;
    expect(await ask(`${url}/v1/classify?top=1`, init)).toMatchObject({ status: 200, body: { predictions: [cat] } });
  });

  it("answers the five likeliest unless asked for others, by the model that is asked for", async () => {
    const { body } = await post(`${url}/v1/classify?model=second`, photo("chelsea.png"));
    const { model, predictions } = body as { readonly model: string; readonly predictions: readonly object[] };
    expect([model, predictions.length, predictions[0]]).toEqual(["second", 5, { ...cat, label: "d" }]);
  });

  it("answers each picture of a form in order, a bad one by its error", async () => {
    const sent = form(["cat.png", photo("chelsea.png")], ["notes.txt", text], ["ship.jpg", photo("rocket.jpg")]);
    const { status, body } = await post(`${url}/v1/classify?top=1`, sent);
    expect([status, body]).toEqual([
      200,
      {
        model: "first",
        results: [
          { image: "cat.png", predictions: [cat] },
          {
            image: "notes.txt",
            error: { code: "FormatError", message: expect.stringContaining("expected JPEG") as string },
          },
          { image: "ship.jpg", predictions: [expect.objectContaining({ label: "ship" })] },
        ],
      },
    ]);
  });

  it("answers a form of more pictures than wait at a time", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `${index}.png`);
    const { status, body } = await post(
      `${many.url}/v1/classify?top=1`,
      form(...names.map((name) => [name, dot] as const)),
    );
    const { results } = body as {
      readonly results: readonly { readonly image: string; readonly predictions: unknown }[];
    };
    expect([status, results.map(({ image }) => image)]).toEqual([200, names]);
    expect(results.every(({ predictions }) => predictions !== undefined)).toBe(true);
  });

  it.each([
    ["a body that is no picture", text, 415, "expected JPEG, PNG"],
    ["a form with one file that is no picture", form(["notes.txt", text]), 415, "expected JPEG, PNG"],
    ["a picture that ends early", photo("chelsea.png").slice(0, 5000), 415, ""],
    ["an empty body", "", 400, "the body is empty, expected a picture: --data-binary @cat.png"],
    ["a form without files", form(), 400, "the form has no files"],
    ["too many pictures", form(...["a", "b", "c", "d"].map((name) => [name, text] as const)), 413, "found 4 pictures"],
  ])("refuses %s", async (_, sent, status, error) => {
    const answer = await post(`${url}/v1/classify`, sent);
    expect([answer.status, answer.body]).toMatchObject([status, { error: expect.stringContaining(error) as string }]);
  });

  it.each([
    ["top=0", 400, "top: Too small"],
    ["top=many", 400, "top: Invalid input: expected number, received NaN"],
    ["timeout=-1", 400, "timeout: Too small"],
    ["model=third", 404, "there is no model third; the ready models: first, second"],
  ])("refuses ?%s", async (query, status, error) => {
    const answer = await post(`${url}/v1/classify?${query}`, photo("chelsea.png"));
    expect([answer.status, answer.body]).toMatchObject([status, { error: expect.stringContaining(error) as string }]);
  });

  it("refuses a damaged form", async () => {
    const { status } = await post(`${url}/v1/classify`, "x", { "Content-Type": "multipart/form-data; boundary=b" });
    expect(status).toBe(400);
  });
});

describe("/v1/embed", () => {
  it("answers the pooled features, the same alone and in a form", async () => {
    const { body } = await post(`${url}/v1/embed`, photo("chelsea.png"));
    const { embedding } = body as { readonly embedding: readonly number[] };
    expect([embedding.length, embedding.every((value) => value >= 0)]).toEqual([64, true]); // they follow a ReLU
    const many = await post(`${url}/v1/embed`, form(["cat.png", photo("chelsea.png")]));
    expect(many.body).toEqual({ model: "first", results: [{ image: "cat.png", embedding }] });
  });
});

describe("/v1/cam", () => {
  it("draws a PNG of the picture's size", async () => {
    const response = await fetch(`${url}/v1/cam`, { method: "POST", body: photo("chelsea.png") });
    expect(response.headers.get("Content-Type")).toBe("image/png");
    const { width, height } = await decodeImage(new Uint8Array(await response.arrayBuffer()));
    expect([width, height]).toEqual([451, 300]);
  });

  it.each(["dog", "5"])("answers the map of the class %s as numbers", async (name) => {
    const { body } = await post(`${url}/v1/cam?class=${name}`, photo("chelsea.png"), { Accept: "application/json" });
    const { prediction, map } = body as {
      readonly prediction: object;
      readonly map: { shape: number[]; data: number[] };
    };
    expect(prediction).toMatchObject({ label: "dog", index: 5 });
    expect(map.data.length).toBe(map.shape[0]! * map.shape[1]!);
  });

  it("refuses a form, and says how to send the picture", async () => {
    expect(await post(`${url}/v1/cam`, form(["cat.png", photo("chelsea.png")]))).toMatchObject({
      status: 415,
      body: { error: "found a form, expected one picture as the body: --data-binary @cat.png" },
    });
  });

  it("refuses an unknown class", async () => {
    expect(await post(`${url}/v1/cam?class=dgo`, photo("chelsea.png"))).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("did you mean dog?") as string },
    });
  });
});
