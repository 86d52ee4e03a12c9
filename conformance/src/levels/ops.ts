import type { Task } from "../task.ts";
import { goldenOpsTask } from "./golden-ops.ts";

/** Every op: cases written by hand, PyTorch's recorded answers, random shapes, and what the family's models ask for. */
export function opTasks(_level: "quick" | "full"): readonly Task[] {
  return [goldenOpsTask];
}
