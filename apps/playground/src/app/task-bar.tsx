import type { Progress as Done } from "@residual/core";
import { Button, Progress } from "../design/components.tsx";
import { Mark } from "../design/mark.tsx";
import { bytes } from "./format.ts";
import { task } from "./state.ts";

/** The work that is being done, with its progress and the way to stop it. Work of a moment does not show. */
export function TaskBar() {
  const { title, progress } = task.value ?? {};
  if (title === undefined) return null;
  return (
    <div class="task">
      <Mark size={28} isBusy />
      <div class="task-words">
        <span role="status">
          {title}
          {progress && <span class="quiet figures">: {wordsOf(progress)}</span>}
        </span>
        <Progress label={title} share={progress && progress.total > 0 ? progress.done / progress.total : undefined} />
      </div>
      <Button size="compact" onClick={() => task.value?.cancel()}>
        Cancel
      </Button>
    </div>
  );
}

/** Downloads and files are counted in bytes, other stages in steps. */
function wordsOf({ stage, done, total }: Done): string {
  return /download|read/.test(stage) ? `${stage}, ${bytes(done)} of ${bytes(total)}` : stage;
}
