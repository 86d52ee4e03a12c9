import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect } from "vitest";
import { photo } from "./starter.ts";

/** A request's body, and the length that its header gives. */
export type Send = (body: Uint8Array<ArrayBuffer>, length: number) => Promise<Answer>;

interface Answer {
  readonly status: number;
  json(): Promise<unknown>;
}

const tooLong = 20_000_001;

/** POSTs to a server. Of a body that is too long only the header is sent: the server answers without reading it. */
export const sendTo =
  (url: string): Send =>
  async (body, length) => {
    if (length === body.length) return fetch(url, { method: "POST", body });
    const asking = request(url, { method: "POST", headers: { "content-length": length } });
    asking.flushHeaders();
    const [{ statusCode: status }] = (await once(asking, "response")) as [IncomingMessage];
    asking.on("error", () => {}).destroy();
    return { status: status!, json: async () => undefined };
  };

/** What every server among the starters answers. */
export async function expectAnswers(send: Send): Promise<void> {
  const ask = (body: Uint8Array<ArrayBuffer>) => send(body, body.length);
  const [cat, text, ship, long] = await Promise.all([
    ask(new Uint8Array(photo("chelsea.png"))),
    ask(new TextEncoder().encode("hello")),
    ask(new Uint8Array(photo("rocket.jpg"))),
    send(new Uint8Array(0), tooLong),
  ]);
  expect(cat.status).toBe(200);
  const { predictions } = (await cat.json()) as { predictions: readonly { probability: number }[] };
  expect(predictions).toMatchObject([{ label: "cat", index: 3 }, {}, {}, {}, {}]);
  expect(predictions[0]!.probability).toBeCloseTo(0.982, 3); // the card of the weights
  expect(await ship.json()).toMatchObject({ predictions: [{ label: "ship" }, {}, {}, {}, {}] });
  expect(text.status).toBe(415);
  const message = expect.stringMatching(/"hello", expected JPEG, PNG/) as string;
  expect(await text.json()).toEqual({ code: "FormatError", message });
  expect(long.status).toBe(413);
}
