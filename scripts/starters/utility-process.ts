/**
 * What Electron gives to a utility process, in a child process of Node: `process.parentPort`, whose first message
 * brings a port. The port carries the messages of the parent.
 */
import { EventEmitter } from "node:events";

const port = Object.assign(new EventEmitter(), {
  postMessage: (data: object) => process.send!(data),
  start: () => process.on("message", (data) => port.emit("message", { data })),
});
const parentPort = new EventEmitter();
parentPort.on("newListener", () => setImmediate(() => parentPort.emit("message", { ports: [port] })));
Object.defineProperty(process, "parentPort", { value: parentPort });
