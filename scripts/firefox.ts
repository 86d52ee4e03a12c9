import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

export interface FirefoxPage {
  /** The text of the page's module, in TypeScript. It calls `tell(text)` once, which it need not import. */
  readonly page: string;
  /** The folder from which the page and the workers import. */
  readonly folder: string;
  /** Modules of workers, by the name at which they are served: `worker.js`. */
  readonly workers?: { readonly [name: string]: string };
  /** Preferences beyond Firefox's own. */
  readonly preferences: { readonly [name: string]: boolean };
  /** The program: `firefox-esr`. */
  readonly firefox?: string | undefined;
}

/** Milliseconds after which the page is given up. */
const PATIENCE = 120_000;

/**
 * Opens a page in Firefox without a window, and returns the text that it tells, or that it told nothing. `/files/`
 * serves the repository.
 */
export async function inFirefox({
  page,
  folder,
  workers = {},
  preferences,
  firefox = "firefox-esr",
}: FirefoxPage): Promise<string> {
  const scripts = new Map([["/page.js", await bundle(`const tell = ${String(tellServer)};\n${page}`, folder)]]);
  for (const [name, text] of Object.entries(workers)) scripts.set(`/${name}`, await bundle(text, folder));
  const profile = mkdtempSync(join(tmpdir(), "residual-firefox-"));
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${value});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  let tell!: (text: string) => void;
  const told = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const server = createServer((request, response) => {
    const { url = "/" } = request;
    const script = scripts.get(url);
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    if (script !== undefined) response.end(script);
    else if (url.startsWith("/files/")) response.end(readFileSync(resolve(decodeURI(url.slice(7)))));
    else if (url !== "/told") response.end('<meta charset="utf-8"><script type="module" src="page.js"></script>');
    else {
      let text = "";
      request
        .on("data", (part: Buffer) => (text += String(part)))
        .on("end", () => {
          response.end();
          tell(text);
        });
    }
  }).listen(0);
  const { port } = server.address() as AddressInfo;
  const args = ["--headless", "--no-remote", "--profile", profile, `http://localhost:${port}/`];
  const browser = spawn(firefox, args, { stdio: "ignore" }).on("error", (error) => tell(String(error)));
  const patience = setTimeout(() => tell(`nothing was told in ${PATIENCE / 1000} s`), PATIENCE);
  try {
    return await told;
  } finally {
    clearTimeout(patience);
    browser.kill();
    server.close();
    server.closeAllConnections();
    if (browser.exitCode === null) await new Promise((end) => browser.once("exit", end));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

declare function fetch(address: string, options: object): Promise<unknown>;

const tellServer = (text: string): Promise<unknown> => fetch("/told", { method: "POST", body: text });

async function bundle(contents: string, folder: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: resolve(folder), loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    conditions: ["@residual/source", "browser"],
    external: ["webgpu"],
  });
  return outputFiles[0]!.text;
}
