import { expect } from "vitest";
import { photo } from "./starter.ts";

export type Body = Uint8Array<ArrayBuffer>;

/** What every server among the starters answers. `send` sends a request. */
export async function expectAnswers(send: (body: Body) => Promise<Response>): Promise<void> {
  const [cats, text, ships, tooLarge] = await Promise.all([
    send(new Uint8Array(photo("chelsea.png"))),
    send(new TextEncoder().encode("hello")),
    send(new Uint8Array(photo("rocket.jpg"))),
    send(new Uint8Array(20_000_001)),
  ]);
  expect(cats.status).toBe(200);
  const { predictions } = (await cats.json()) as { predictions: readonly { probability: number }[] };
  expect(predictions).toMatchObject([{ label: "cat", index: 3 }, {}, {}, {}, {}]);
  expect(predictions[0]!.probability).toBeCloseTo(0.982, 3); // the card of the weights
  expect(await ships.json()).toMatchObject({ predictions: [{ label: "ship" }, {}, {}, {}, {}] });
  expect(text.status).toBe(415);
  const message = expect.stringMatching(/"hello", expected JPEG, PNG/) as string;
  expect(await text.json()).toEqual({ code: "FormatError", message });
  expect(tooLarge.status).toBe(413);
}
