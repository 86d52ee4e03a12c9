import { wasm } from "@residual/wasm";
import { answers } from "./answers.js";

const said = await answers(["auto", "wasm", wasm({ worker: true }), "reference"]);
const thread = new Worker(new URL("./thread.js", import.meta.url), { type: "module" });
thread.addEventListener("message", ({ data }) => {
  document.title = `${said}, ${data}`;
});
