/**
 * How long runs on WebGPU take in Firefox: of ResNet-20, whose work is short against Firefox's own pauses.
 *
 *   node --conditions=@residual/source scripts/firefox-runs.ts [FIREFOX]     firefox-esr where not given
 *
 * Prints the milliseconds of 40 runs, sorted. On Linux WebGPU has to be turned on, which the profile made here does.
 * Firefox takes the adapter that VK_ICD_FILENAMES names.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const page = `
  import { bind, fixtureInput, fixtureWeights, resnet, variants } from "@residual/core";
  import { webgpu } from "@residual/webgpu";
  const times = [];
  try {
    const model = resnet(variants.cifar_resnet20, { input: [1, 3, 32, 32] });
    const executable = await webgpu().compile(bind(model, fixtureWeights(model, "v1")));
    const image = fixtureInput("v1", [1, 3, 32, 32]);
    for (let run = 0; run < 40; run++) {
      const start = performance.now();
      await executable.run({ image });
      times.push(performance.now() - start);
    }
    await fetch("/told", { method: "POST", body: times.sort((a, b) => a - b).join(" ") });
  } catch (error) {
    await fetch("/told", { method: "POST", body: String(error) });
  }
`;
const { outputFiles } = await build({
  stdin: { contents: page, resolveDir: resolve("conformance") },
  bundle: true,
  write: false,
  format: "esm",
  conditions: ["@residual/source", "browser"],
  external: ["webgpu"],
});
const [script] = outputFiles;

const folder = mkdtempSync(join(tmpdir(), "residual-firefox-"));
const preferences = ["dom.webgpu.enabled", "gfx.webgpu.ignore-blocklist"];
writeFileSync(join(folder, "user.js"), preferences.map((name) => `user_pref("${name}", true);\n`).join(""));
let tell: (text: string) => void;
const told = new Promise<string>((resolve) => {
  tell = resolve;
});
const server = createServer((request, response) => {
  response.setHeader("content-type", request.url === "/page.js" ? "text/javascript" : "text/html");
  if (request.url === "/page.js") response.end(script!.text);
  else if (request.url !== "/told") response.end('<meta charset="utf-8"><script type="module" src="page.js"></script>');
  else request.on("data", (text: Buffer) => tell(String(text))).on("end", () => response.end());
}).listen(0);
const { port } = server.address() as AddressInfo;
const [firefox = "firefox-esr"] = process.argv.slice(2);
const args = ["--headless", "--no-remote", "--profile", folder, `http://localhost:${port}/`];
const browser = spawn(firefox, args, { stdio: "ignore" }).on("error", (error) => tell(String(error)));
try {
  console.log(await told);
} finally {
  browser.kill();
  server.close();
  server.closeAllConnections();
  if (browser.exitCode === null) await new Promise((end) => browser.once("exit", end));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
