import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { expectAnswers, sendTo } from "./http.ts";
import { folderOf } from "./starter.ts";

/** Cloudflare's runtime, on the worker as wrangler bundles it. */
const workerd = resolve("node_modules/@cloudflare/workerd-linux-64/bin/workerd");
const cwd = folderOf("cloudflare-worker");
const folder = mkdtempSync(join(tmpdir(), "residual-worker-"));

const config = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [
      (name = "worker.js", esModule = embed "worker.js"),
      (name = "made/jpeg.wasm", wasm = embed "made/jpeg.wasm"),
      (name = "made/kernels.wasm", wasm = embed "made/kernels.wasm"),
      (name = "made/weights.bin", data = embed "made/weights.bin"),
    ],
    compatibilityDate = "2026-11-01",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`;

let stop: () => void;
let url: string;
let said = "";

beforeAll(async () => {
  const { status, stderr } = spawnSync(process.execPath, ["--conditions=@residual/source", "make.ts"], { cwd });
  expect(status, String(stderr)).toBe(0);
  await build({
    entryPoints: [join(cwd, "worker.ts")],
    outfile: join(folder, "worker.js"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    conditions: ["@residual/source", "workerd", "worker", "browser"],
    external: ["*.wasm", "*.bin", "@residual/onnx", "@residual/tfjs", "@residual/webgpu"],
    logLevel: "error",
  });
  cpSync(join(cwd, "made"), join(folder, "made"), { recursive: true });
  writeFileSync(join(folder, "config.capnp"), config);
  const child = spawn(workerd, ["serve", "--control-fd=3", "config.capnp"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  stop = () => child.kill();
  for (const stream of [child.stdout, child.stderr]) stream!.on("data", (text: Buffer) => (said += String(text)));
  const listening = once(child.stdio[3] as Readable, "data");
  const [event] = (await Promise.race([listening, once(child, "exit")])) as [Buffer | number];
  expect(event, said).toBeInstanceOf(Buffer);
  url = `http://127.0.0.1:${(JSON.parse(String(event)) as { readonly port: number }).port}/`;
}, 60_000);

afterAll(() => {
  stop();
  rmSync(folder, { recursive: true });
});

const post = (text: string) => fetch(url, { method: "POST", body: new TextEncoder().encode(text) });

it("answers pictures, the first ones at the same time", async () => {
  await expectAnswers(sendTo(url));
  expect((await fetch(url)).status).toBe(405);
});

it("refuses what it does not decode, and what is too large for its memory", async () => {
  const tiff = await post("II*\0\b\0\0\0\0\0");
  expect(tiff.status).toBe(422);
  expect(await tiff.json()).toMatchObject({ code: "UnsupportedError" });
  const webp = await fetch(url, { method: "POST", body: readFileSync("docs/pictures/playground-phone.webp") });
  expect(webp.status).toBe(422);
  expect(await webp.json()).toMatchObject({ code: "BackendUnavailableError" });
  const large = await post("P6 5000 5000 255\n");
  expect(large.status).toBe(415);
  const message = expect.stringContaining("expected at most 16000000") as string;
  expect(await large.json()).toEqual({ code: "FormatError", message });
  expect(said).toBe("");
});
