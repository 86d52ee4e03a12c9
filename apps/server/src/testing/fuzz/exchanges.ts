import { deflateSync, gzipSync } from "node:zlib";
import { hostileHead, pathOf, wrongLengths } from "./heads.ts";
import { inferBinary, inferJson } from "./infer-bodies.ts";
import { pictureBody } from "./pictures.ts";
import { damaged, pick, type Random, randomFrom } from "./random.ts";
import type { Body, Exchange, Part } from "./wire.ts";

type Maker = (random: Random, pause: number) => Omit<Exchange, "kind">;

const INFER = "/v2/models/cifar_resnet20/infer";

/** A request with the length of its body; the connection is closed after the answer. */
function request(method: string, path: string, { headers, bytes }: Body, last = "Connection: close"): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", ...headers, `Content-Length: ${bytes.length}`, last];
  return Buffer.concat([Buffer.from(`${lines.filter(Boolean).join("\r\n")}\r\n\r\n`), bytes]);
}

const whole = (...parts: Part[]): Omit<Exchange, "kind"> => ({ parts, next: "wait" });

const inferRequest = (random: Random, last?: string): Buffer =>
  request("POST", INFER, random(2) === 0 ? inferJson(random) : inferBinary(random), last);

const makers: { readonly [kind: string]: readonly [weight: number, make: Maker] } = {
  infer: [24, (random) => whole(inferRequest(random))],
  "infer, damaged": [
    10,
    (random) => {
      const body = random(2) === 0 ? inferJson(random) : inferBinary(random);
      return whole(request("POST", INFER, { ...body, bytes: damaged(random, body.bytes) }));
    },
  ],
  picture: [
    12,
    (random) => whole(request("POST", pick(random, ["/v1/classify", "/v1/embed", "/v1/cam"]), pictureBody(random))),
  ],
  "path and query": [12, odd],
  head: [12, hostileHead],
  "wrong length": [8, wrongLengths],
  compressed: [2, (random) => whole(request("POST", INFER, compressed(random)))],
  garbage: [3, (random) => ({ parts: [Buffer.from(GARBAGE(random).bytes), "\r\n\r\n"], next: "end", mayClose: true })],
  pipelined: [4, pipelined],
  slow: [1, slow],
  "broken off": [
    6,
    (random) => {
      const bytes = random(3) === 0 ? request("POST", "/v1/classify", pictureBody(random)) : inferRequest(random);
      return { parts: [bytes.subarray(0, 1 + random(bytes.length))], next: "break" };
    },
  ],
  "half-closed": [
    4,
    (random) => {
      const bytes = inferRequest(random);
      const end = random(2) === 0 ? bytes.length : random(bytes.length);
      // Node takes the end of a client's side for the client's leaving, and the work ends
      return { parts: [bytes.subarray(0, end)], next: "end", mayClose: true };
    },
  ],
};

const METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "TRACE"];
const NONE: Body = { headers: [], bytes: new Uint8Array() };
const GARBAGE = (random: Random): Body => ({
  headers: ["Content-Type: application/json"],
  bytes: Uint8Array.from({ length: 1 + random(2000) }, () => random(256)),
});

function odd(random: Random): Omit<Exchange, "kind"> {
  const [method, path, body] = [
    pick(random, METHODS),
    pathOf(random),
    pick(random, [NONE, inferJson(random), GARBAGE(random)]),
  ];
  return { ...whole(request(method, path, body)), isHurried: path.includes("timeout=1") };
}

function compressed(random: Random): Body {
  const plain = random(2) === 0 ? new Uint8Array(2 ** 24) : inferJson(random).bytes;
  const coding = pick(random, ["gzip", "deflate", "br", "identity", "zstd, gzip"]);
  return {
    headers: ["Content-Type: application/json", `Content-Encoding: ${coding}`],
    bytes: coding === "deflate" ? deflateSync(plain) : gzipSync(plain),
  };
}

/** Some requests in one packet; each is answered, in order, unless one ends the connection. */
function pipelined(random: Random): Omit<Exchange, "kind"> {
  const count = 2 + random(4);
  const each = (last: string) =>
    random(2) === 0 ? inferRequest(random, last) : request("GET", pick(random, ["/v2", "/v2/health/live"]), NONE, last);
  const parts = Array.from({ length: count }, (_, at) => each(at === count - 1 ? "Connection: close" : ""));
  return { parts: [Buffer.concat(parts)], next: "wait", requests: count };
}

/** A client that pauses in its head or its body, or byte after byte. */
function slow(random: Random, pause: number): Omit<Exchange, "kind"> {
  const bytes = inferRequest(random);
  const at = random(bytes.length);
  if (random(2) === 0)
    return { parts: [bytes.subarray(0, at), pause, bytes.subarray(at)], next: "wait", mayClose: true };
  const drops = Array.from({ length: 20 }, (_, i): Part[] => [bytes.subarray(at + i, at + i + 1), pause / 20]).flat();
  return { parts: [bytes.subarray(0, at), ...drops, bytes.subarray(at + 20)], next: "wait", mayClose: true };
}

const total = Object.values(makers).reduce((sum, [weight]) => sum + weight, 0);

/** The exchange of a seed. `pause`: milliseconds that a slow client waits. */
export function exchangeOf(seed: number, pause: number): Exchange {
  const random = randomFrom(seed);
  let left = random(total);
  for (const [kind, [weight, make]] of Object.entries(makers)) {
    if (left < weight) return { kind, ...make(random, pause) };
    left -= weight;
  }
  throw new RangeError(`seed ${seed} has no exchange`);
}
