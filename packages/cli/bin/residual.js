#!/usr/bin/env node
// Starts the command line: the built files where there are some, in a clone its TypeScript as it stands.
import { existsSync } from "node:fs";

const source = new URL("../src/main.ts", import.meta.url);
// RESIDUAL_BUILT=1 runs a clone's built files, as they are published, after pnpm build.
const inClone = existsSync(source) && !process.env.RESIDUAL_BUILT;
// TypeScript as it stands, with `using`, which Node 22 does not know; the built files, as package.json's engines say
const needed = inClone ? "24.0" : "20.19";
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const [leastMajor = 0, leastMinor = 0] = needed.split(".").map(Number);
if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
  const ways = inClone
    ? `${needed} or newer runs the sources of this clone; run pnpm --silent residual, which brings its Node, ` +
      "or the built files: pnpm build, then RESIDUAL_BUILT=1"
    : `residual needs ${needed} or newer`;
  console.error(`UnsupportedError: this is Node ${process.versions.node}; ${ways}`);
  process.exit(1);
}
if (inClone) {
  // not imported above: older versions have none, and must get here
  const { registerHooks } = await import("node:module");
  const condition = "@residual/source";
  registerHooks({
    resolve: (name, context, next) => next(name, { ...context, conditions: [condition, ...context.conditions] }),
  });
  // As a script of the workspace's root it is started there, whatever folder it was called from.
  if (process.env.npm_lifecycle_event === "residual" && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);
}
const entry = inClone ? source : new URL("../dist/main.js", import.meta.url);
const { main } = /** @type {{ main: (words: readonly string[]) => Promise<void> }} */ (await import(entry.href));
await main(process.argv.slice(2));
