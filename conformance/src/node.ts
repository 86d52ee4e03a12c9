export { type Checkpoint, checkpoint } from "./checkpoint.ts";
export { toBadge, toShields } from "./report/badge.ts";
export { toJunit } from "./report/junit.ts";
export { writeReports } from "./report/write.ts";
