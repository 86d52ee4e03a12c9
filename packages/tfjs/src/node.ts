export { writeGraphModel } from "./write.ts";
