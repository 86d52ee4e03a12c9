import { answers } from "./answers.js";

answers(["wasm"]).then((said) => postMessage(said));
