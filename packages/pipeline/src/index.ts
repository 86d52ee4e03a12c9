import { type FrontDoor, frontDoor } from "./front-door.ts";
import { node } from "./platform/node.ts";

export { inChildProcess } from "./child-process/in-child-process.ts";
export * from "./exports.ts";
export const { load, backendNamed, chooseBackend, compileOn, prepareOn, checkBackend }: FrontDoor = frontDoor(node);
