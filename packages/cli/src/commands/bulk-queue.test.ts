import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { document, photo, residual } from "../testing/residual.ts";

const folder = temporaryFolder();
const redis = ["--redis", "redis://:secret@127.0.0.1:1"]; // nothing listens there
const fixture = ["--weights", "fixture:v1", "--model", "cifar_resnet20", "--backend", "wasm", "--batch", "1"];
const job = () => ["--input", photo("chelsea.png"), "--out", folder.in("out"), ...fixture];

it.each(["work", "board"])("bulk %s says that Redis does not answer, without its password", async (name) => {
  const { code, stderr } = await residual(["bulk", name, ...redis]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^RedisError: redis:\/\/:…@127.0.0.1:1: no answer \(/)]);
});

it("bulk enqueue keeps the job for the next attempt if Redis does not answer", async () => {
  const { code, stderr } = await residual(["bulk", "enqueue", ...job(), ...redis]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^RedisError: .*check host and port/m)]);
  expect(await document(["bulk", "status", folder.in("out")])).toMatchObject({ done: { shards: 0 }, shards: 1 });
  for (const name of ["status", "retry"])
    expect(await residual(["bulk", name, folder.in("out"), ...redis])).toMatchObject({ code: 1 });
});

it("bulk work needs an address", async () => {
  const { code, stderr } = await residual(["bulk", "work"]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("--redis <url>")]);
  const http = await residual(["bulk", "work", "--redis", "http://localhost"]);
  expect([http.code, http.stderr]).toEqual([1, expect.stringContaining("expected redis://host:port or rediss://")]);
});
