import { exec, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { FormatError, type Progress, tensor, WeightsError } from "@residual/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeSafetensors } from "../encode-safetensors.ts";
import type { KnownWeights } from "../known/known-weights.ts";
import { namedAs } from "../known/names.ts";
import { knownWeights, shippedWeights } from "../known.ts";
import { readWeights } from "../read-weights.ts";
import { etagOf, FileServer, sha256Of, stallAfter, status } from "../testing/file-server.ts";
import { partOf } from "./fetch-file.ts";
import { listWeights, pruneWeights, verifyWeights, weightsPath } from "./manage.ts";
import { pull } from "./pull.ts";
import type { Settings } from "./settings.ts";
import { openTransport, type Transport } from "./transport.ts";

const weights = new Uint8Array(await readFile(new URL(shippedWeights.url)));
const sha256 = shippedWeights.sha256!;
const settings: Partial<Settings> = { backoff: 1, poll: 5 };

let home: string;
let server: FileServer;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "residual-pull-"));
  server = await new FileServer().start();
  server.files.set("/w.safetensors", weights);
  vi.stubEnv("XDG_CACHE_HOME", home);
  vi.stubEnv("HF_ENDPOINT", server.address);
  for (const name of ["HF_TOKEN", "RESIDUAL_OFFLINE", "HF_HUB_OFFLINE"]) vi.stubEnv(name, "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

function known(change: Partial<KnownWeights> = {}): { readonly known: KnownWeights } {
  const url = `${server.address}/w.safetensors`;
  return { known: { name: "test/net.v1", model: "cifar_resnet20", url, sha256, bytes: weights.length, ...change } };
}

const place = () => join(home, "residual", "weights", "test", "net.v1", "w.safetensors");
const pins = () => join(home, "residual", "weights", "residual.weights.json");

/** Serves the files of a repository on the hub. */
function serveRepository(
  files: { readonly [name: string]: Uint8Array | string },
  repository = "me/net",
  revision = "main",
) {
  for (const [name, file] of Object.entries(files))
    server.files.set(`/${repository}/resolve/${revision}/${name}`, typeof file === "string" ? Buffer.from(file) : file);
}

function mapOf(count: number, shardOf: (index: number) => string): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, shardOf(i)]));
}

async function refusal(work: Promise<unknown>, kind: new (...words: never[]) => Error = WeightsError): Promise<string> {
  const error: unknown = await work.then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(kind);
  return (error as Error).message;
}

describe("known weights", () => {
  it("are downloaded once, into the cache folder", async () => {
    for (let i = 0; i < 3; i++) expect(await pull("net", known(), { settings })).toBe(place());
    expect(server.requests).toHaveLength(1);
    expect((await readdir(dirname(place()))).toSorted()).toEqual(["w.safetensors", "w.safetensors.checked"]);
    expect(existsSync(pins()), "the table is the pin").toBe(false);
  });

  it("of which the table has some digits alone are pinned by all of them", async () => {
    await pull("net", known({ sha256: sha256.slice(0, 8) }), { settings });
    expect(JSON.parse(await readFile(pins(), "utf8"))).toEqual({
      version: 1,
      files: { [known().known.url]: { bytes: weights.length, sha256 } },
    });
  });

  it("are pinned where the current folder, or one around it, has a lock file", async () => {
    const project = join(home, "project");
    await mkdir(join(project, "src"), { recursive: true });
    await writeFile(join(project, "residual.weights.json"), JSON.stringify({ version: 1, files: {} }));
    const cwd = vi.spyOn(process, "cwd").mockReturnValue(join(project, "src"));
    try {
      await pull("net", known({ sha256: undefined }), { settings });
    } finally {
      cwd.mockRestore();
    }
    expect(await readFile(join(project, "residual.weights.json"), "utf8")).toContain(sha256);
    expect(existsSync(pins())).toBe(false);
  });

  it("that have changed since they were pinned are refused, with the lock file's name", async () => {
    const named = known({ sha256: undefined, bytes: undefined });
    await pull("net", named, { settings });
    await rm(place());
    server.files.set("/w.safetensors", weights.with(5000, 1));
    const message = await refusal(pull("net", named, { settings }));
    expect(message).toMatch(
      /^net: the file has changed: SHA-256 \w{12}…, where .*residual.weights.json has bcd55502062f…;/,
    );
    expect(message).toMatch(/if the change is wanted, remove its entry there and pull again$/);
    expect(await readdir(dirname(place())), "no part of it stays").toEqual(["w.safetensors.checked"]);
  });

  it("pins of all of a process's downloads are kept", async () => {
    const names = Array.from({ length: 8 }, (_, i) => `w${i}`);
    for (const name of names) server.files.set(`/${name}`, Buffer.from(name));
    const named = (name: string) =>
      known({ name, url: `${server.address}/${name}`, sha256: undefined, bytes: undefined });
    await Promise.all(names.map((name) => pull(name, named(name), { settings })));
    const { files } = JSON.parse(await readFile(pins(), "utf8")) as { readonly files: object };
    expect(Object.keys(files)).toEqual(names.map((name) => `${server.address}/${name}`));
  });

  it("a lock file that is none is refused, and stays", async () => {
    await mkdir(dirname(pins()), { recursive: true });
    await writeFile(pins(), '{"files":{"a":{"bytes":1}}}');
    expect(await refusal(pull("net", known({ sha256: undefined }), { settings }), FormatError)).toContain(
      `${pins()}: expected { "version": 1`,
    );
    expect(await readFile(pins(), "utf8")).toBe('{"files":{"a":{"bytes":1}}}');
  });

  it("that cannot be had say what to fetch, where it goes, and the command", async () => {
    server.next.push(status(404));
    const message = await refusal(pull("net", known(), { settings }));
    expect(message).toBe(
      "net: the server answered 404; where there is a network run residual weights pull net, or " +
        `curl -fL --create-dirs -o "${place()}" ${server.address}/w.safetensors`,
    );
    await mkdir(dirname(place()), { recursive: true });
    await writeFile(place(), weights);
    expect(await pull("net", known(), { settings }), "as the message says").toBe(place());
  });

  it("that were put in their place by hand are compared with their hash, once", async () => {
    await mkdir(dirname(place()), { recursive: true });
    await writeFile(place(), weights.with(5000, 1));
    for (let i = 0; i < 2; i++)
      expect(await refusal(pull("net", known(), { settings }))).toMatch(
        /^net: .*w.safetensors is there, but it is not the published file: found SHA-256 \w{64}, expected bcd5\w{60}; remove it with/,
      );
    await writeFile(place(), weights);
    expect(await pull("net", known(), { settings })).toBe(place());
    const seen: Progress[] = [];
    await pull("net", known(), { settings, onProgress: (progress) => seen.push(progress) });
    expect(seen, "it is not read again").toEqual([]);
    await writeFile(place(), weights.with(5000, 1));
    expect(await refusal(pull("net", known(), { settings })), "but for a change").toContain("is not the published");
    expect(server.requests).toHaveLength(0);
  });

  it("in whose place a damaged file lies are refused without the network", async () => {
    await mkdir(dirname(place()), { recursive: true });
    await writeFile(place(), "damaged");
    expect(await refusal(pull("net", known(), { settings }))).toBe(
      `net: ${place()} is there, but it is not the published file: found 7 bytes, expected ${weights.length}; ` +
        "remove it with residual weights prune net, or give its path in place of the name",
    );
    expect(server.requests).toHaveLength(0);
  });

  it.each(["offline", "RESIDUAL_OFFLINE", "HF_HUB_OFFLINE"])("are not downloaded with %s", async (how) => {
    if (how !== "offline") vi.stubEnv(how, how === "HF_HUB_OFFLINE" ? "YES" : "1");
    const options = { settings, offline: how === "offline" };
    const message = await refusal(pull("net", known(), options));
    expect(message).toContain(`net: it is not downloaded, and ${how === "offline" ? "`offline`" : how} is set; `);
    expect(message).toContain(place());
    expect(server.requests).toHaveLength(0);
    vi.unstubAllEnvs();
    vi.stubEnv("XDG_CACHE_HOME", home);
    await pull("net", known(), { settings });
    expect(await pull("net", known(), options), "what is there is used").toBe(place());
  });

  it("a cache folder that cannot be made is a FormatError", async () => {
    await writeFile(join(home, "file"), "");
    vi.stubEnv("XDG_CACHE_HOME", join(home, "file"));
    expect(await refusal(pull("net", known(), { settings }), FormatError)).toMatch(/it cannot be written \(E/);
  });

  it("of the whole table have a place each, inside of the cache folder", async () => {
    const { placeOf } = await import("./cache.ts");
    const places = (await knownWeights()).slice(1).map((each) => placeOf({ known: each }));
    expect(new Set(places).size).toBe(places.length);
    for (const each of places) expect(each.startsWith(join(home, "residual", "weights"))).toBe(true);
  });
});

describe("repositories of the hub", () => {
  const named = async (text: string) => (await namedAs(text))!;
  const folder = () => join(home, "residual", "weights", "hf", "me", "net", "main");

  it("become a folder as the hub has it, which is read by their name", async () => {
    serveRepository({ "config.json": "{}", "model.safetensors": weights });
    const path = await pull("hf:me/net", await named("hf:me/net"), { settings });
    expect(path).toBe(folder());
    expect((await readdir(path)).toSorted()).toEqual(["config.json", "model.safetensors"]);
    const count = server.requests.length;
    expect((await readWeights("hf:me/net")).model).toBe("cifar_resnet20");
    expect(server.requests, "nothing is asked for again, not even files that are missing").toHaveLength(count);
  });

  it("of a revision lie beside those of others", async () => {
    serveRepository({ "model.safetensors": weights }, "me/net", "refs%2Fpr%2F1");
    const path = await pull("hf:me/net@refs/pr/1", await named("hf:me/net@refs/pr/1"), { settings });
    expect(path).toBe(join(dirname(folder()), "refs%2Fpr%2F1"));
  });

  it("come with all shards of an index", async () => {
    const index = { weight_map: { a: "model-1.safetensors", b: "model-2.safetensors", c: "model-1.safetensors" } };
    serveRepository({
      "model.safetensors.index.json": JSON.stringify(index),
      "model-1.safetensors": weights,
      "model-2.safetensors": "two",
    });
    const path = await pull("hf:me/net", await named("hf:me/net"), { settings });
    const shards = ["model-1.safetensors", "model-2.safetensors"];
    expect((await readdir(path)).toSorted()).toEqual([...shards, "model.safetensors.index.json"]);
    expect(Buffer.compare(await readFile(join(path, "model-1.safetensors")), weights)).toBe(0);
  });

  it("whose index leads out of the folder are refused", async () => {
    serveRepository({ "model.safetensors.index.json": JSON.stringify({ weight_map: { a: "../../x.safetensors" } }) });
    expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }), FormatError)).toContain(
      "expected the name of a file beside the index",
    );
  });

  it.each([
    ["a name that no disk takes", { a: "x".repeat(300) }, /expected a name of at most 255 bytes/],
    ["a name of few characters and many bytes", { a: "\u{1f600}".repeat(64) }, /expected a name of at most 255 bytes/],
    ["very many shards", mapOf(1001, (i) => `${i}`), /found 1001 shards, expected at most 1000/],
  ])("whose index has %s are refused before a shard is asked for", async (_, weight_map, message) => {
    serveRepository({ "model.safetensors.index.json": JSON.stringify({ weight_map }) });
    expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }), FormatError)).toMatch(message);
    expect(server.requests.at(-1)!.url).toMatch(/index\.json$/);
  });

  it("fall back to pytorch_model.bin, and say so where there are no weights at all", async () => {
    serveRepository({ "pytorch_model.bin": "old" });
    const path = await pull("hf:me/net", await named("hf:me/net"), { settings });
    expect(existsSync(join(path, "pytorch_model.bin"))).toBe(true);
    expect(await refusal(pull("hf:me/none", await named("hf:me/none"), { settings }))).toContain(
      "hf:me/none: the repository has none of the files model.safetensors, model.safetensors.index.json,",
    );
  });

  it("are pinned under the hub's own addresses, by what its headers say", async () => {
    serveRepository({ "model.safetensors": weights });
    server.headers.set("/me/net/resolve/main/model.safetensors", {
      "x-linked-etag": `"${sha256}"`,
      "x-linked-size": String(weights.length),
    });
    await pull("hf:me/net", await named("hf:me/net"), { settings });
    const { files } = JSON.parse(await readFile(pins(), "utf8")) as { readonly files: Record<string, unknown> };
    expect(files).toEqual({
      "https://huggingface.co/me/net/resolve/main/model.safetensors": { bytes: weights.length, sha256 },
    });
  });

  it("whose bytes are not what the headers say are refused", async () => {
    serveRepository({ "model.safetensors": weights });
    server.headers.set("/me/net/resolve/main/model.safetensors", { "x-linked-etag": `"${"0".repeat(64)}"` });
    expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }))).toContain(
      `what was downloaded is not the file: found SHA-256 ${sha256}, expected ${"0".repeat(64)}`,
    );
    server.headers.set("/me/net/resolve/main/model.safetensors", { "x-linked-size": "7" });
    expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }))).toContain(
      `the server has a file of ${weights.length} bytes, expected 7`,
    );
  });

  it("that have changed since are refused before they are downloaded, where the headers tell", async () => {
    serveRepository({ "model.safetensors": weights });
    await pull("hf:me/net", await named("hf:me/net"), { settings });
    await rm(folder(), { recursive: true });
    let sent = 0;
    const path = "/me/net/resolve/main/model.safetensors";
    server.headers.set(path, { "x-linked-etag": `"${"0".repeat(64)}"` });
    const count = () => {
      sent = server.requests.filter(({ url }) => url === path).length;
    };
    expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }))).toContain("residual.weights.json");
    count();
    expect(sent).toBe(2);
  });

  it("that another server stands for do not vouch for what it says", async () => {
    const url = `${server.address}/w.safetensors`;
    vi.stubEnv("HF_ENDPOINT", "");
    server.headers.set("/w.safetensors", { "x-linked-etag": `"${"0".repeat(64)}"`, "x-linked-size": "7" });
    await pull("net", known({ url, sha256: undefined, bytes: undefined }), { settings });
    expect(existsSync(place())).toBe(true);
  });

  it("that the network does not reach come by the command that the message gives, and are used then", async () => {
    server.next.push((_, response) => void response.destroy());
    const message = await refusal(
      pull("hf:me/net", await named("hf:me/net"), { settings: { ...settings, retries: 0 } }),
    );
    serveRepository({ "config.json": '{"architecture":"resnet18"}', "model.safetensors": weights });
    const [command] = /curl [^;]+/.exec(message)!;
    await promisify(exec)(command);
    expect((await readdir(folder())).toSorted()).toEqual(["config.json", "model.safetensors"]);
    const count = server.requests.length;
    expect(await pull("hf:me/net", await named("hf:me/net"), { settings })).toBe(folder());
    expect(server.requests).toHaveLength(count);
    expect(await weightsPath("hf:me/net")).toEqual({ path: folder(), cached: true });
    expect((await verifyWeights()).slice(1)).toMatchObject([
      { path: join(folder(), "config.json"), problem: undefined, pinned: false },
      { path: join(folder(), "model.safetensors"), problem: undefined, pinned: false },
    ]);
    expect((await listWeights()).at(-1)).toMatchObject({ name: "hf:me/net", cached: true, bytes: weights.length + 27 });
    expect(await pruneWeights(["hf:me/net"])).toMatchObject({ files: 2 });
    expect(await weightsPath("hf:me/net")).toMatchObject({ cached: false });
  });

  it("of whose shards one is missing are downloaded", async () => {
    const index = JSON.stringify({ weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } });
    await mkdir(folder(), { recursive: true });
    await writeFile(join(folder(), "model.safetensors.index.json"), index);
    await writeFile(join(folder(), "model-1.safetensors"), weights);
    expect((await weightsPath("hf:me/net")).cached).toBe(false);
    serveRepository({ "model.safetensors.index.json": index, "model-2.safetensors": weights });
    await pull("hf:me/net", await named("hf:me/net"), { settings });
    expect(existsSync(join(folder(), "model-2.safetensors"))).toBe(true);
  });

  it("an HF_ENDPOINT that is no address is refused", async () => {
    for (const value of ["mirror", "file:///etc"]) {
      vi.stubEnv("HF_ENDPOINT", value);
      expect(await refusal(pull("hf:me/net", await named("hf:me/net"), { settings }))).toContain(
        `HF_ENDPOINT: found ${value}, expected an http(s) address`,
      );
    }
  });
});

describe("HF_TOKEN", () => {
  /** Returns the requests to the hub with their tokens; the server stands for the hub. */
  async function asked(
    location?: string,
  ): Promise<readonly { readonly url: string; readonly token: string | undefined }[]> {
    vi.stubEnv("HF_TOKEN", "hf_secret");
    const seen: { url: string; token: string | undefined }[] = [];
    const open = await openTransport();
    const transport: Transport = (url, init) => {
      seen.push({ url, token: init.headers.authorization });
      return open(url.replace(/^https:\/\/[\w.-]+/, server.address), init);
    };
    if (location !== undefined) server.next.push(status(302, { location }));
    serveRepository({ "config.json": "{}", "model.safetensors": weights });
    await pull("hf:me/net", (await namedAs("hf:me/net"))!, { settings: { ...settings, transport } });
    return seen;
  }

  it("goes to the hub", async () => {
    vi.stubEnv("HF_ENDPOINT", "");
    for (const { url, token } of await asked()) {
      expect(url).toMatch(/^https:\/\/huggingface.co\/me\/net\/resolve\/main\//);
      expect(token).toBe("Bearer hf_secret");
    }
  });

  it.each(["https://cdn.example.org/w.safetensors", "https://huggingface.co.example.org/w.safetensors"])(
    "does not go on to %s",
    async (location) => {
      vi.stubEnv("HF_ENDPOINT", "");
      const [first, second] = await asked(location);
      expect(first!.token).toBe("Bearer hf_secret");
      expect(second).toEqual({ url: location, token: undefined });
    },
  );

  it("goes neither to a mirror nor over http", async () => {
    for (const endpoint of [server.address, "https://hf-mirror.example.org"]) {
      vi.stubEnv("HF_ENDPOINT", endpoint);
      await rm(join(home, "residual"), { recursive: true, force: true });
      for (const { url, token } of await asked()) {
        expect(url.startsWith(endpoint)).toBe(true);
        expect(token).toBeUndefined();
      }
    }
    for (const { headers } of server.requests) expect(headers.authorization).toBeUndefined();
  });

  it("and what comes over https is never asked for over http", async () => {
    vi.stubEnv("HF_ENDPOINT", "");
    await expect(asked("http://huggingface.co/w.safetensors")).rejects.toThrow(
      "the server sends on from https://huggingface.co to http://huggingface.co/w.safetensors, expected an https address",
    );
  });
});

it("an HF_TOKEN that no header can hold is refused, and not shown", async () => {
  vi.stubEnv("HF_ENDPOINT", "");
  vi.stubEnv("HF_TOKEN", "hf_secret\nX: y");
  const message = await refusal(pull("hf:me/net", (await namedAs("hf:me/net"))!, { settings }));
  expect(message).toContain("HF_TOKEN: found characters that no token has");
  expect(message).not.toContain("secret");
});

describe("proxies", () => {
  it("with an address that is none are refused", async () => {
    vi.stubEnv("HTTP_PROXY", "http://[nonsense");
    expect(await refusal(pull("net", known(), { settings }))).toContain(
      "HTTPS_PROXY, HTTP_PROXY: Invalid URL; expected",
    );
  });

  it("are used where HTTP_PROXY names one, but for hosts of NO_PROXY", async () => {
    const seen: string[] = [];
    const proxy = createServer((request, response) => {
      seen.push(request.url!);
      server.serve(request, response, weights);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    try {
      vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
      vi.stubEnv("NO_PROXY", "");
      const away = known({ url: "http://weights.invalid/w.safetensors" });
      await pull("net", away, { settings });
      expect(seen).toEqual(["http://weights.invalid/w.safetensors"]);
      await rm(place());
      vi.stubEnv("NO_PROXY", "127.0.0.1");
      await pull("net", known(), { settings });
      expect([seen.length, server.requests.length]).toEqual([1, 1]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});

describe("several at once", () => {
  /** Pulls in a separate process, which reports when it begins and when it is done. */
  function child() {
    const code = `
      import { pull } from "./pull.ts";
      const named = { known: ${JSON.stringify(known().known)} };
      const settings = { poll: 5, stall: 60_000, backoff: 1 };
      const onProgress = ({ done }) => console.log(done);
      console.log(await pull("net", named, { settings, onProgress }));`;
    const flags = ["--conditions=@residual/source", "--input-type=module-typescript", "--eval", code];
    return spawn(process.execPath, flags, {
      cwd: new URL(".", import.meta.url),
      env: { ...process.env },
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  async function linesOf(process: ReturnType<typeof child>): Promise<readonly string[]> {
    let text = "";
    for await (const chunk of process.stdout) text += String(chunk);
    return text.trim().split("\n");
  }

  it("calls share a download", async () => {
    const paths = await Promise.all(Array.from({ length: 5 }, () => pull("net", known(), { settings })));
    expect(new Set(paths)).toEqual(new Set([place()]));
    expect(server.requests).toHaveLength(1);
  });

  it("processes share a download, and the second tells the progress of the first", async () => {
    let goOn = () => {};
    server.next.push((_, response, file) => {
      response.writeHead(200, { etag: etagOf(file), "content-length": file.length });
      response.write(file.subarray(0, 400_000));
      goOn = () => void response.end(file.subarray(400_000));
    });
    const first = linesOf(child());
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const seen: number[] = [];
    const onProgress = ({ done }: Progress) => {
      seen.push(done);
      if (done === 400_000) goOn();
    };
    expect(await pull("net", known(), { settings, onProgress })).toBe(place());
    expect(seen).toContain(400_000);
    expect((await first).at(-1)).toBe(place());
    expect(server.requests).toHaveLength(1);
    expect((await readdir(dirname(place()))).toSorted()).toEqual(["w.safetensors", "w.safetensors.checked"]);
  });

  it("a process that is killed in mid download leaves what the next one goes on with", async () => {
    server.next.push(stallAfter(400_000));
    const killed = child();
    for await (const chunk of killed.stdout) if (String(chunk).includes("400000")) break;
    killed.kill("SIGKILL");
    await once(killed, "exit");
    expect(existsSync(partOf(place()).data)).toBe(true);
    expect(await readdir(dirname(place()))).toHaveLength(3); // the partial file, its note, and the dead process's lock
    await pull("net", known(), { settings });
    expect(server.ranges).toEqual([undefined, "bytes=400000-"]);
    expect(sha256Of(await readFile(place()))).toBe(sha256);
    expect((await readdir(dirname(place()))).toSorted()).toEqual(["w.safetensors", "w.safetensors.checked"]);
  });

  it("a drop in one is mended by itself", async () => {
    server.next.push((_, response) => void response.destroy());
    expect((await linesOf(child())).at(-1)).toBe(place());
  });
});

describe("weights by their name", () => {
  it("say what their file says, before what the table says", async () => {
    const row = (await knownWeights()).find(({ name }) => name === "timm/resnet50.tv2_in1k")!;
    serveRepository({ "model.safetensors": weights }, row.name);
    const found = await readWeights(row.name);
    expect(found).toMatchObject({ license: "CC0-1.0", preprocessingSource: "weights" });
    expect(server.requests).toHaveLength(1);
  });

  it("have the model, preprocessing and licence of the table where their file is silent", async () => {
    const row = (await knownWeights()).find(({ name }) => name === "timm/resnet50.tv2_in1k")!;
    const pieces = encodeSafetensors({ x: tensor([2], [1, 2]) });
    serveRepository({ "model.safetensors": Buffer.concat(pieces.map((piece) => new Uint8Array(piece))) }, row.name);
    expect(await readWeights(row.name)).toMatchObject({
      model: "resnet50",
      license: "BSD-3-Clause",
      preprocessing: { resize: 232, crop: 224, interpolation: "bilinear" },
      preprocessingSource: "known weights",
    });
  });

  it("a path that is there comes before a name", async () => {
    const cwd = process.cwd();
    process.chdir(home);
    try {
      await writeFile("resnet50", weights);
      expect((await readWeights("resnet50")).model).toBe("cifar_resnet20");
      expect(server.requests).toHaveLength(0);
    } finally {
      process.chdir(cwd);
    }
  });

  it("that nothing has are a WeightsError with the nearest", async () => {
    expect(await refusal(readWeights("torchvison/resnet50.v2"))).toBe(
      "torchvison/resnet50.v2: there is no such file; did you mean the known weights torchvision/resnet50.v2?",
    );
    expect(server.requests).toHaveLength(0);
  });
});
