import { createServer } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { hasRedis, RedisServer } from "../testing/redis-server.ts";
import { checkRedis, judge } from "./server.ts";

const real = hasRedis("the checks of a Redis server");

describe.skipIf(!real)("checkRedis on a server", { concurrent: true }, () => {
  it("finds nothing to say about a server with Redis' own settings", async () => {
    await using server = await RedisServer.start();
    expect(await checkRedis(server.url)).toEqual([]);
  });

  it("warns if the server may evict shards", async () => {
    await using server = await RedisServer.start(["--maxmemory-policy", "allkeys-lru"]);
    expect(await checkRedis(server.url)).toEqual([
      expect.stringMatching(/policy is allkeys-lru.* set it to noeviction/),
    ]);
  });

  it("names a wrong and a missing password, and prints neither", async () => {
    await using server = await RedisServer.start(["--requirepass", "right"]);
    const { port } = server;
    await expect(checkRedis(`redis://:wrong@127.0.0.1:${port}`)).rejects.toThrow(/:…@127.*refuses the password/);
    await expect(checkRedis(server.url)).rejects.toThrow(/asks for a password/);
    expect(await checkRedis(`redis://:right@127.0.0.1:${port}`)).toEqual([]);
  });

  it("says that a server without TLS does not take rediss://", async () => {
    await using server = await RedisServer.start();
    const address = server.url.replace("redis:", "rediss:");
    await expect(checkRedis(address, 500)).rejects.toThrow(/ETIMEDOUT|none within.* speaks TLS/);
  });
});

describe("checkRedis without a server", { concurrent: true }, () => {
  const silent = createServer(); // accepts connections, answers nothing
  afterAll(() => silent.close());

  it("says that nothing listens", async () => {
    await expect(checkRedis("redis://127.0.0.1:1")).rejects.toThrow(
      /127.0.0.1:1: no answer \(.*ECONNREFUSED.*check host/,
    );
  });

  it("gives up on a server that does not answer", async () => {
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    await expect(checkRedis(`redis://127.0.0.1:${port}`, 500)).rejects.toThrow(/none within 0.5 s/);
  });

  it.each(["localhost:6379", "http://localhost", ""])("refuses %j as an address", async (address) => {
    await expect(checkRedis(address)).rejects.toThrow(/expected redis:\/\/host:port/);
  });
});

describe("judge", () => {
  const info = (fields: Record<string, string>) =>
    Object.entries({ redis_version: "7.2.4", cluster_enabled: "0", role: "master", ...fields })
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join("");

  it.each([
    [{ redis_version: "6.0.16" }, /found Redis 6.0.16, expected 6.2 or newer/],
    [{ redis_version: "" }, /found Redis of an unknown version/],
    [{ cluster_enabled: "1" }, /Redis Cluster/],
    [{ role: "slave" }, /replica/],
  ])("refuses %j", (fields, message) => {
    expect(() => judge(info(fields), "redis://host")).toThrow(message);
  });

  it.each([{}, { redis_version: "6.2.0" }, { redis_version: "8.4.0", maxmemory_policy: "noeviction" }])(
    "takes %j",
    (fields) => expect(judge(info(fields), "redis://host")).toEqual([]),
  );
});
