import { Button, Progress } from "../design/components.tsx";
import { Mark } from "../design/mark.tsx";
import { progressWords, shareOf } from "./format.ts";
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
          {progress && <span class="quiet figures">: {progressWords(progress)}</span>}
        </span>
        <Progress label={title} share={progress && shareOf(progress)} />
      </div>
      <Button size="compact" onClick={() => task.value?.cancel()}>
        Cancel
      </Button>
    </div>
  );
}
