/** The utility process: pictures come through the ports that the app sends, and their labels go back. */
import process from "node:process";
import { load } from "residual";

const loading = load();
loading.catch(() => {}); // told with the first picture

/** @typedef {{ readonly id: number, readonly picture: ArrayBuffer }} Request */

/** @param {Request} request */
async function answer({ id, picture }) {
  try {
    const classifier = await loading;
    return { id, predictions: await classifier.classify(picture) };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { id, error: { name, message } }; // a clone of the error would lose its name
  }
}

process.parentPort.on("message", ({ ports: [port] }) => {
  /** @param {{ readonly data: Request }} event */
  const listener = ({ data }) => void answer(data).then((reply) => port?.postMessage(reply));
  port?.on("message", listener);
  port?.start();
});
