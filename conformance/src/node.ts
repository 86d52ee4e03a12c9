export { toBadge, toShields } from "./report/badge.ts";
export { growingReports, writeReports } from "./report/write.ts";
export { type Checkpoint, checkpoint } from "./suite/checkpoint.ts";
