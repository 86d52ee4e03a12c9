import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type ClientRequest, request } from "node:http";
import { json } from "node:stream/consumers";
import type { RunningServer } from "@residual/server";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { bin, ended, photo, residual, start, without } from "../testing/residual.ts";

const folder = temporaryFolder();
const cat = readFileSync(photo("chelsea.png"));

/** Starts `residual serve` on a free port, with the document that it prints when it is ready. */
async function serving(...words: readonly string[]) {
  const all = [bin, "serve", "--port", "0", "--json", "--backend", "wasm", "--threads", "1", ...words];
  const server = start(process.execPath, all);
  const end = ended(server);
  let text = "";
  for await (const part of server.stdout!) {
    text += String(part);
    if (text.endsWith("}\n")) break;
  }
  return { server, end, ...(JSON.parse(text) as Pick<RunningServer, "url" | "grpc" | "models">) };
}

/** A request whose header has reached the server, which waits for its body. */
async function begun(url: string): Promise<ClientRequest> {
  const headers = { Expect: "100-continue", "Content-Length": cat.length };
  const sent = request(`${url}/v1/classify?top=1`, { method: "POST", headers });
  sent.flushHeaders();
  await once(sent, "continue");
  return sent;
}

async function answerTo(sent: ClientRequest): Promise<readonly [status: number | undefined, body: unknown]> {
  sent.end(cat);
  const [response] = (await once(sent, "response")) as [Parameters<Parameters<typeof request>[2] & object>[0]];
  return [response.statusCode, await json(response)];
}

const stop = (server: ChildProcess): boolean => server.kill("SIGTERM");

describe("residual serve", () => {
  it("answers every request that had reached it when SIGTERM came, refuses others, and exits with 0", async () => {
    const { server, end, url, grpc, models } = await serving("--no-log");
    expect([models, grpc]).toEqual([["cifar_resnet20"], expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    const sent = await Promise.all(Array.from({ length: 8 }, () => begun(url)));
    stop(server);
    let ready: Response;
    do ready = await fetch(`${url}/v2/health/ready`);
    while (ready.status === 200); // until the signal has arrived
    expect([ready.status, ready.headers.get("Connection")]).toEqual([503, "close"]);
    const refused = await fetch(`${url}/v1/classify`, { method: "POST", body: cat });
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "1"]);
    const predictions = [{ label: "cat", index: 3, probability: expect.closeTo(0.982, 3) as number }];
    for (const answer of await Promise.all(sent.map(answerTo)))
      expect(answer).toEqual([200, { model: "cifar_resnet20", predictions }]);
    expect(await end).toMatchObject({
      code: 0,
      stderr: "finishing the requests under way; once more to stop at once\n",
    });
  });

  it("ends at once at the second signal", async () => {
    const { server, end, url, grpc } = await serving("--no-log", "--no-grpc");
    expect(grpc).toBeUndefined();
    const sent = await begun(url);
    sent.on("error", () => {});
    stop(server);
    await once(server.stderr!, "data");
    stop(server);
    expect((await end).code).toBe(143);
  });

  it("serves the models of a file with the keys of another, and logs requests as JSON", async () => {
    await writeFile(folder.in("models.json"), '{"models": [{"name": "a"}, {"name": "b", "model": "cifar_resnet20"}]}');
    await writeFile(folder.in("keys.txt"), "\ufeffone \r\n\ntwo\n");
    const words = ["--models", folder.in("models.json"), "--host", "0.0.0.0", "--api-key-file", folder.in("keys.txt")];
    const { server, end, url, models } = await serving(...words);
    expect([url, models]).toEqual([expect.stringMatching(/^http:\/\/0\.0\.0\.0:\d+$/), ["a", "b"]]);
    const statuses = ["one", "two", "three"].map(async (key) => {
      const { status } = await fetch(`${url}/v2/models/b`, {
        headers: { "X-API-Key": key, "X-Request-Id": `by-${key}` },
      });
      return status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 200, 401]);
    stop(server);
    const { stderr } = await end;
    const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
    const logged = lines.map((line) => JSON.parse(line) as { readonly requestId: string; readonly status: number });
    expect(logged).toContainEqual(
      expect.objectContaining({ requestId: "by-three", path: "/v2/models/b", status: 401 }),
    );
  });

  it.each([
    [["--host", "0.0.0.0"], "UsageError: --host 0.0.0.0 is reachable from other machines, and there are no API keys"],
    [["--models", "m.json", "--model", "resnet50"], "UsageError: --models names models and weights itself"],
    [["--port", "70000"], "UsageError: option '--port <n>' argument '70000': expected a whole number from 0 to 65535"],
    [["--api-key-file", "no.txt"], "UsageError: --api-key-file no.txt cannot be read (ENOENT); check the path"],
    [["--model", "resnet5"], "UsageError: there is no model resnet5; did you mean resnet50?"],
  ])("refuses %j", async (words, message) => {
    const { code, stderr } = await residual(["serve", ...words]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it("names the package to install", async () => {
    const { code, stderr } = await residual(["serve"], { env: without(/@residual\/server/) });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^BackendUnavailableError: .*npm install @residual\/server\n$/),
    ]);
  });
});
