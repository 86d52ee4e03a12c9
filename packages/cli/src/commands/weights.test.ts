import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { shippedWeights } from "@residual/weights";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/folder.ts";
import { bin, document, ended, photo, residual, start, succeed } from "../testing/residual.ts";

const folder = temporaryFolder();
const weights = await readFile(new URL(shippedWeights.url));

/** Stands for the hub, with one repository. */
let hub: Server;
let requests = 0;
let file: Uint8Array = weights;
/** Whether half of a file is all that comes. */
let stall = false;
beforeAll(async () => {
  hub = createServer((request, response) => {
    requests++;
    if (request.url !== "/me/net/resolve/main/model.safetensors") response.writeHead(404).end();
    else if (stall) response.setHeader("content-length", file.length).write(file.subarray(0, file.length >> 1));
    else response.setHeader("content-length", file.length).end(file);
  });
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  hub.closeAllConnections();
  hub.close();
});

let count = 0;
let cache = "";
let env: { readonly [name: string]: string };
beforeEach(() => {
  requests = 0;
  file = weights;
  cache = folder.in(`cache-${count++}`);
  env = {
    XDG_CACHE_HOME: cache,
    HF_ENDPOINT: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
  };
});

const place = () => join(cache, "residual", "weights", "hf", "me", "net", "main");

interface Row {
  readonly name: string;
  readonly model: string | null;
  readonly bytes: number | null;
  readonly top1: number | null;
  readonly license: string | null;
  readonly cached: boolean;
  readonly refused?: string;
}

describe("list", () => {
  it("has a row for each name", async () => {
    const rows = await document<readonly Row[]>(["weights", "list"], { env });
    expect(rows).toHaveLength(218);
    expect(rows[0]).toEqual({
      name: "resnet20-cifar10",
      model: "cifar_resnet20",
      bytes: weights.length,
      top1: 89.63,
      license: "CC0-1.0",
      cached: true,
    });
    expect(rows.find(({ name }) => name === "torchvision/resnet50.v1")).toEqual({
      name: "torchvision/resnet50.v1",
      model: "resnet50",
      bytes: 102530333,
      top1: 76.13,
      license: "BSD-3-Clause",
      cached: false,
    });
    const quantized = rows.find(({ name }) => name === "torchvision/resnet50.fbgemm-v2");
    expect(quantized).toMatchObject({ license: null, refused: "they are quantized to 8 bits" });
  });

  it("is a table by publishers for people, in 80 columns", async () => {
    const { stdout, stderr } = await succeed(["weights", "list"], { env });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^name +top-1 +MB +licence\n\nShips inside\nresnet20-cifar10 +89.6 +1.1 +CC0-1.0 +✓\n\n/);
    expect(stdout).toMatch(
      /\n\ntorchvision\n(torchvision\/.*\n)*torchvision\/resnet50.v2 +80.9 +102.5 +BSD-3-Clause\n/,
    );
    expect(stdout).toMatch(/\n\nNot usable: they are quantized to 8 bits\n {2}torchvision\/resnet18.fbgemm-v1, /);
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it("lists the names that have a part", async () => {
    const rows = await document<readonly Row[]>(["weights", "list", "akamaster"], { env });
    expect(rows.map(({ name }) => name)).toContain("akamaster/resnet20");
    expect(rows).toHaveLength(6);
    expect((await succeed(["weights", "list", "akamonster"], { env })).stdout).toBe(
      "no name contains this text; did you mean akamaster?\n",
    );
    expect((await succeed(["weights", "list", "renset50"], { env })).stdout).toContain("; did you mean resnet50?");
    expect((await succeed(["weights", "list", "nonsense"], { env })).stdout).toBe("no name contains this text\n");
  });

  it("says that files that are here are not checked", async () => {
    const { stdout } = await succeed(["weights", "list", "cifar10"], { env });
    expect(stdout).toMatch(/\n✓ is here, not checked; residual weights verify compares it with its hash\n$/);
  });
});

it("pull, classify, list, verify, path and prune", async () => {
  expect(await residual(["weights", "path", "hf:me/net"], { env })).toEqual({
    stdout: `${place()}\n`,
    stderr: "hf:me/net is not downloaded; run residual weights pull hf:me/net\n",
    code: 1,
  });
  expect(await document(["weights", "pull", "hf:me/net"], { env })).toEqual([{ name: "hf:me/net", path: place() }]);
  const before = requests;
  expect((await succeed(["weights", "pull", "hf:me/net"], { env })).stdout).toBe(`hf:me/net: ${place()}\n`);
  const words = ["classify", photo("chelsea.png"), "--weights", "hf:me/net", "--top", "1", "--backend", "reference"];
  const [answer] = await document<readonly { readonly predictions: readonly object[] }[]>(words, { env });
  expect(answer!.predictions).toMatchObject([{ label: "cat" }]);
  expect(requests, "nothing is downloaded twice").toBe(before);

  const rows = await document<readonly Row[]>(["weights", "list", "hf:"], { env });
  expect(rows).toMatchObject([{ name: "hf:me/net", bytes: weights.length, cached: true }]);
  expect((await succeed(["weights", "path", "hf:me/net"], { env })).stdout).toBe(`${place()}\n`);

  const path = join(place(), "model.safetensors");
  const ok = { name: "hf:me/net", path, problem: null, pinned: true };
  expect(await document(["weights", "verify", "hf:me/net"], { env })).toEqual([ok]);
  await writeFile(path, weights.subarray(0, 1000));
  const damaged = await residual(["weights", "verify", "hf:me/net"], { env });
  expect(damaged).toMatchObject({ code: 1, stderr: "" });
  expect(damaged.stdout).toContain(`hf:me/net: ${path} is damaged: found 1000 bytes, expected ${weights.length}; run`);

  await writeFile(`${path}.part`, "half");
  expect(await document(["weights", "prune"], { env })).toEqual({ files: 1, bytes: 4 });
  expect(existsSync(path)).toBe(true);
  const pruned = await succeed(["weights", "prune", "hf:me/net"], { env });
  expect(pruned.stdout).toBe("removed 1 file, 0.0 MB\n");
  expect(existsSync(place())).toBe(false);
  expect(existsSync(join(cache, "residual", "weights", "residual.weights.json")), "the pins stay").toBe(true);

  file = Buffer.from(weights).fill(0, 5000, 5010);
  const changed = await residual(["weights", "pull", "hf:me/net"], { env });
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/^WeightsError: hf:me\/net: the file has changed: .*residual.weights.json has bcd5/);
});

it("pull goes on with the other names where one fails, and path names the folder", async () => {
  const { stdout, stderr, code } = await residual(["weights", "pull", "hf:me/none", "resnet5O", "hf:me/net"], { env });
  expect([stdout, code]).toEqual([`hf:me/net: ${place()}\n`, 1]);
  const [first, second] = stderr.trimEnd().split("\n");
  expect(first).toMatch(/^WeightsError: hf:me\/none: the repository has none of the files model.safetensors, /);
  expect(second).toBe("WeightsError: there are no known weights resnet5O; did you mean resnet50?");
  expect((await succeed(["weights", "path"], { env })).stdout).toBe(`${join(cache, "residual", "weights")}\n`);
});

it("offline the file to fetch, its place and the command are named", async () => {
  const words = ["classify", photo("chelsea.png"), "--weights", "torchvision/resnet50.v2"];
  const { stderr, code } = await residual(words, { env: { ...env, RESIDUAL_OFFLINE: "1" } });
  const path = join(cache, "residual", "weights", "torchvision", "resnet50.v2", "resnet50-11ad3fa6.pth");
  expect(stderr).toBe(
    "WeightsError: torchvision/resnet50.v2: it is not downloaded, and RESIDUAL_OFFLINE is set; " +
      "where there is a network run residual weights pull torchvision/resnet50.v2, or " +
      `curl -fL --create-dirs -o "${path}" https://download.pytorch.org/models/resnet50-11ad3fa6.pth\n`,
  );
  expect([code, requests]).toEqual([1, 0]);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, weights);
  const [row] = await document<readonly Row[]>(["weights", "list", "torchvision/resnet50.v2"], { env });
  expect(row).toMatchObject({ cached: true, bytes: weights.length });
  const verified = await residual(["weights", "verify", "--json"], { env });
  expect(verified.code, "a file put there by hand is verified too").toBe(1);
  expect(verified.stdout).toContain("found SHA-256 bcd555");
  await rm(path);
});

it("Ctrl-C ends a download, and leaves what the next one goes on with", async () => {
  const path = join(place(), "model.safetensors");
  stall = true;
  const child = start(process.execPath, [bin, "weights", "pull", "hf:me/net"], { env });
  const end = ended(child);
  while (!existsSync(`${path}.part`)) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGINT");
  expect(await end).toEqual({ stdout: "", stderr: "AbortError: stopped by Ctrl-C\n", code: 130 });
  expect((await readdir(place())).toSorted()).toEqual(["model.safetensors.part", "model.safetensors.part.json"]);
  stall = false;
  await succeed(["weights", "pull", "hf:me/net"], { env });
  expect(Buffer.compare(await readFile(path), weights)).toBe(0);
});

it("all that was downloaded is removed with prune --all, and no more", async () => {
  await succeed(["weights", "pull", "hf:me/net"], { env });
  await writeFile(join(cache, "other"), "");
  expect(await document(["weights", "prune", "--all"], { env })).toEqual({ files: 1, bytes: weights.length });
  expect([existsSync(join(cache, "other")), existsSync(place())]).toEqual([true, false]);
  expect(await document(["weights", "prune", "--all"], { env })).toEqual({ files: 0, bytes: 0 });
});

it.each([
  [["weights"], 2, /Usage: residual weights/],
  [["weights", "lst"], 2, /^UsageError: unknown command 'lst'; did you mean list\?/],
  [["weights", "pull"], 2, /^UsageError: missing required argument 'name'; see residual weights --help/],
  [
    ["weights", "verify", "hf:me/net"],
    1,
    /^WeightsError: hf:me\/net is not downloaded; run residual weights pull hf:me/,
  ],
  [["weights", "path", "hf:nonsense"], 1, /^WeightsError: hf:nonsense: expected hf:owner\/name/],
])("%j: exit %i", async (words, code, message) => {
  const result = await residual(words, { env });
  expect(result.code).toBe(code);
  expect(result.stderr).toMatch(message);
});
