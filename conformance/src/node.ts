export { type Checkpoint, checkpoint } from "./checkpoint.ts";
