import { pick, type Random } from "./random.ts";
import type { Exchange } from "./wire.ts";

const segments = [
  "v1",
  "v2",
  "models",
  "cifar_resnet20",
  "infer",
  "versions",
  "1",
  "ready",
  "load",
  "classify",
  "metrics",
];
const odd = [
  "..",
  "%2e%2e",
  "..%2f..%2fetc%2fpasswd",
  "%00",
  "%ff",
  "%",
  "%zz",
  "a".repeat(4000),
  "",
  "__proto__",
  "*",
  "é",
  "\\",
];
const queries = [
  "top=0",
  "top=-1",
  "top=1e9",
  "top=99999999999999999999",
  "timeout=1",
  "timeout=NaN",
  "class=99999",
  "class=-1",
  "model=../../x",
  "model=__proto__",
  "top=1&top=2",
  "%",
  `x=${"y".repeat(3000)}`,
];

/** A path that exists, or nearly; traversals, wrong escapes, unknown models. */
export function pathOf(random: Random): string {
  const known = ["/", "/v1/classify", "/v1/cam", "/v1/embed", "/v2", "/metrics", "/docs", "/openapi.json"];
  const repository = ["/v2/repository/index", "/v2/repository/models/cifar_resnet20/unload"];
  const made = () =>
    Array.from({ length: 1 + random(6) }, () => `/${pick(random, random(3) === 0 ? odd : segments)}`).join("");
  const path = random(2) === 0 ? pick(random, [...known, ...repository]) : made();
  const latin1 = Buffer.from(path).toString("latin1");
  return random(2) === 0 ? latin1 : `${latin1}?${pick(random, queries)}`;
}

const BODY = '{"inputs":[]}';
const POST = ["POST /v2/models/cifar_resnet20/infer HTTP/1.1", "Host: x"];
const LENGTH = `Content-Length: ${BODY.length}`;

const heads: readonly ((random: Random) => readonly string[])[] = [
  (random) => [...POST, LENGTH, ...Array.from({ length: 10 ** random(4) }, (_, i) => `X-${i}: ${i}`)],
  (random) => [...POST, LENGTH, `X-Long: ${"x".repeat(2 ** (8 + random(12)))}`],
  (random) => [`GET /${"x".repeat(2 ** (8 + random(10)))} HTTP/1.1`, "Host: x"],
  () => [...POST, LENGTH, "Content-Length: 5"],
  () => [...POST, LENGTH, "Transfer-Encoding: chunked"],
  () => [...POST, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
  () => [...POST, "Transfer-Encoding: gzip, chunked"],
  (random) => [...POST, LENGTH, `Expect: ${pick(random, ["100-continue", "200-ok", ""])}`],
  (random) => [...POST, LENGTH, pick(random, ["X\0: 1", "X: \x01", ": 1", "X", " folded", "X : 1", "é: é", "X: é"])],
  (random) => [
    `${pick(random, ["GET", "get", "G\0T", "POST", "FOO"])} /v2 HTTP/${pick(random, ["1.0", "0.9", "2.0", "1.1", "9"])}`,
  ],
  () => ["PRI * HTTP/2.0", "", "SM"],
  (random) => [`OPTIONS ${pick(random, ["*", "http://x/v2", "//", "x"])} HTTP/1.1`, "Host: x", "Origin: null"],
  (random) => [
    "GET /v2 HTTP/1.1",
    `Host: ${pick(random, ["", "a b", "[::1", "x".repeat(5000), "é", "a,b", "x:99999"])}`,
  ],
  () => ["GET /v2 HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"],
  () => ["GET /v2 HTTP/1.1", "Host: x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAM"],
  () => ["CONNECT example.org:443 HTTP/1.1", "Host: example.org:443"],
  (random) => [...POST, LENGTH, `traceparent: ${pick(random, ["00", "x".repeat(999), `00-${"0".repeat(32)}-1-1`])}`],
  (random) => [
    ...POST,
    LENGTH,
    `Content-Type: ${pick(random, ["application/x", "multipart/form-data", ";", "a/b;".repeat(500)])}`,
  ],
  (random) => [...POST, LENGTH, `X-Request-Id: ${pick(random, ["x".repeat(400), "a b", "é", "{}"])}`],
  (random) => [...POST, LENGTH, `Authorization: Bearer ${" ".repeat(random(8000))}`],
];

/** A head that is too large, contradicts itself, or is not HTTP. */
export function hostileHead(random: Random): Omit<Exchange, "kind"> {
  const lines = pick(random, heads)(random);
  const text = `${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n${BODY}`;
  return { parts: [Buffer.from(text, "latin1")], next: "wait" };
}

const bodies: readonly ((random: Random) => readonly [head: string, body: string])[] = [
  (random) => [`Content-Length: ${BODY.length + 1 + random(1000)}`, BODY],
  (random) => [`Content-Length: ${random(BODY.length)}`, BODY],
  (random) => [
    `Content-Length: ${pick(random, ["-1", "1e3", "0x10", "99999999999999999999", "", " ", "+13", "13, 13"])}`,
    BODY,
  ],
  (random) => [`Content-Length: ${2 ** 25 + random(2 ** 40)}`, BODY],
  (random) => [
    "Transfer-Encoding: chunked",
    `${pick(random, ["d", "D", "e", "ffffffffffffffff", "-1", "x", "", "0x0d"])}\r\n${BODY}\r\n0\r\n\r\n`,
  ],
  (random) => ["Transfer-Encoding: chunked", `d;${"x".repeat(random(40_000))}\r\n${BODY}\r\n0\r\n\r\n`],
  (random) => ["Transfer-Encoding: chunked", `d\r\n${BODY}\r\n0\r\n${"T: x\r\n".repeat(random(5000))}\r\n`],
  () => [
    "Transfer-Encoding: chunked",
    `${BODY.split("")
      .map((each) => `1\r\n${each}\r\n`)
      .join("")}0\r\n\r\n`,
  ],
  () => ["Transfer-Encoding: chunked", `d\r\n${BODY}\r\n`],
];

/** A body of another length than the head says, in chunks or not, and the end of the connection. */
export function wrongLengths(random: Random): Omit<Exchange, "kind"> {
  const [head, body] = pick(random, bodies)(random);
  const text = `${[...POST, head, "Connection: close"].join("\r\n")}\r\n\r\n${body}`;
  return { parts: [text], next: "end", mayClose: true };
}
