import process from "node:process";
import { webgpu } from "@residual/webgpu";

// The package loads, and finds an adapter or none. Its own warnings about an adapter go to stderr.
const found = await webgpu()
  .describe()
  .then(({ version }) => version, String);
if (!/^\d|there is no GPU adapter/.test(found)) throw new Error(found);
console.log("loaded");
process.exit(); // Dawn keeps the process as long as its GPU is held
