import { type FrontDoor, frontDoor } from "./front-door.ts";
import { web } from "./platform/web.ts";

// The package in browsers: without modules by path and without child processes.
export * from "./exports.ts";
export const { load, backendNamed, chooseBackend, compileOn, prepareOn, checkBackend }: FrontDoor = frontDoor(web);
