/** A window, and a utility process with the model: long runs do not block the app, and a crash does not end it. */
import { join } from "node:path";
import { app, BrowserWindow, MessageChannelMain, utilityProcess } from "electron";

const here = import.meta.dirname;

/**
 * @param {BrowserWindow} window whose page is loaded
 * @param {number} restarts how often the process is started again where it crashes
 */
function startClassifier(window, restarts) {
  const child = utilityProcess.fork(join(here, "classifier.js"), [], { serviceName: "classifier" });
  /** The page and the process get an end each of a channel: pictures do not pass through this process. */
  const connect = () => {
    const { port1, port2 } = new MessageChannelMain();
    child.postMessage("connect", [port1]);
    window.webContents.postMessage("classifier", undefined, [port2]);
  };
  connect();
  window.webContents.on("did-finish-load", connect); // a reload
  window.once("closed", () => child.kill());
  child.once("exit", () => {
    if (window.isDestroyed()) return;
    window.webContents.off("did-finish-load", connect);
    if (restarts > 0) startClassifier(window, restarts - 1);
  });
}

app.on("window-all-closed", () => app.quit());
await app.whenReady();
const window = new BrowserWindow({ webPreferences: { preload: join(here, "preload.cjs") } });
await window.loadFile(join(here, "index.html"));
startClassifier(window, 3);
