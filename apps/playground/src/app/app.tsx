import { Classify } from "../classify/classify.tsx";
import { lazy, Suspense } from "./lazy.tsx";
import { problem, type Room, room, task } from "./state.ts";

const Compare = lazy(async () => (await import("../compare/compare.tsx")).Compare);
const Inside = lazy(async () => (await import("../inside/inside.tsx")).Inside);

const titles: { readonly [R in Room]: string } = { classify: "Classify", compare: "Compare", inside: "Look inside" };

export function App() {
  return (
    <>
      <header class="top">
        <a class="brand" href="#classify">
          <img src="./mark.svg" alt="" width="28" height="28" />
          Residual
        </a>
        <nav aria-label="Rooms">
          {Object.entries(titles).map(([name, title]) => (
            <a href={`#${name}`} aria-current={room.value === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {problem.value && (
          <div class="problem" role="alert">
            <b>{problem.value.code}</b> {problem.value.message}
          </div>
        )}
        {room.value === "classify" && <Classify />}
        {room.value === "compare" && <Suspense of={Compare} />}
        {room.value === "inside" && <Suspense of={Inside} />}
      </main>
      {task.value && (
        <div class="task" role="status">
          {task.value.title}
          <progress value={task.value.progress?.done} max={task.value.progress?.total} />
          <button type="button" onClick={() => task.value?.cancel()}>
            Cancel
          </button>
        </div>
      )}
    </>
  );
}
