import { type FrontDoor, frontDoor } from "./front-door.ts";
import { web } from "./platform/web.ts";

// What browsers get of this package: no module by its path, and no child process.
export * from "./exports.ts";
export const { load, backendNamed, chooseBackend, compileOn, prepareOn, checkBackend }: FrontDoor = frontDoor(web);
