import { describe, expect, it, vi } from "vitest";
import { serve } from "./index.ts";
import { photo, running } from "./testing/running.ts";

describe("who may call", () => {
  it.each(["0.0.0.0", "::", "192.0.2.1", "photos.example"])("refuses %s without keys", async (host) => {
    await expect(serve({ host, port: 0 })).rejects.toThrow(
      `\`host\` ${host} is reachable from other machines, and there are no API keys`,
    );
  });

  it.each([
    [{ apiKeys: ["a"], noAuth: true }, "`noAuth` and API keys exclude each other"],
    [{ apiKeys: [" "] }, "a key in `apiKeys` is empty"],
  ])("refuses %j", async (options, message) => {
    await expect(serve({ port: 0, ...options })).rejects.toThrow(message);
  });

  it.each([{ host: "::1" }, { host: "0.0.0.0", noAuth: true }])("serves %j", async (options) => {
    const { url } = await running(options);
    const { status } = await fetch(`${url.replace("0.0.0.0", "127.0.0.1")}/v2`);
    expect(status).toBe(200);
  });
});

describe("a start that fails", () => {
  it("names a port that is in use", async () => {
    const { url } = await running();
    const port = Number(new URL(url).port);
    await expect(serve({ port })).rejects.toThrow(`\`port\` ${port} of 127.0.0.1 is in use`);
  });

  it("names a port for gRPC that is in use, and prints nothing", async () => {
    const { grpc } = await running();
    const grpcPort = Number(grpc!.split(":").at(-1));
    const printed = vi.spyOn(console, "error");
    await expect(serve({ port: 0, grpcPort })).rejects.toThrow(`\`grpcPort\` ${grpcPort} of 127.0.0.1 is in use`);
    expect(printed).not.toHaveBeenCalled();
  });

  it("names an address of another machine", async () => {
    const starting = serve({ host: "192.0.2.1", noAuth: true, port: 0 });
    await expect(starting).rejects.toThrow("`host` 192.0.2.1 cannot be listened on (EADDRNOTAVAIL)");
  });

  it("throws a model's error, and frees the port", async () => {
    const server = await serve({ port: 0 });
    await server.close();
    const port = Number(new URL(server.url).port);
    const models = [{ name: "a", weights: "/nothing.safetensors" }];
    await expect(serve({ port, models })).rejects.toThrow("/nothing.safetensors");
    await using again = await serve({ port });
    expect(again.url).toBe(server.url);
  });
});

it("close() answers what is under way, and may be called again", async () => {
  const server = await serve({ port: 0 });
  const classify = () => fetch(`${server.url}/v1/classify`, { method: "POST", body: photo("chelsea.png") });
  const first = await classify(); // its connection is idle when the server closes
  const pending = classify();
  await first.text();
  const { status } = await pending;
  await Promise.all([server.close(), server.close()]);
  expect([first.status, status]).toEqual([200, 200]);
  await expect(fetch(server.url)).rejects.toThrow("fetch failed");
});

it("logs no error for a probe during the start, which is answered 503", async () => {
  const former = await serve({ port: 0 });
  await former.close();
  const port = Number(new URL(former.url).port);
  const log: string[] = [];
  const starting = serve({ port, grpcPort: false, log: { write: (line) => log.push(line) } });
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  void starting.then(over, over);
  let found: Response | undefined;
  while (!found && !isOver) found = await fetch(`${former.url}/v2/health/ready`).catch(() => undefined);
  await using server = await starting;
  expect([found?.status, (await fetch(`${server.url}/v2/nothing`)).status]).toEqual([503, 404]);
  const paths = log.map((line) => (JSON.parse(line) as { readonly path: string }).path);
  expect(paths).toEqual(["/v2/nothing"]);
});
