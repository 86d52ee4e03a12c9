export { checkGraphModelFolder, writeGraphModel } from "./write.ts";
