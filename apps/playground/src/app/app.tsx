import { Classify } from "../classify/classify.tsx";
import { NetworkBar } from "../network/network-bar.tsx";
import { NetworkDialog } from "../network/network-dialog.tsx";
import { DropTarget } from "./drop.tsx";
import { Footer } from "./footer.tsx";
import { Header } from "./header.tsx";
import { lazy, Suspense } from "./lazy.tsx";
import { Notices } from "./problem.tsx";
import { room } from "./state.ts";
import { TaskBar } from "./task-bar.tsx";

const Compare = lazy(async () => (await import("../compare/compare.tsx")).Compare);
const Inside = lazy(async () => (await import("../inside/inside.tsx")).Inside);
const Train = lazy(async () => (await import("../train/train.tsx")).Train);

export function App() {
  return (
    <>
      <Header />
      <NetworkBar />
      <main>
        <Notices />
        {room.value === "classify" && <Classify />}
        {room.value === "compare" && <Suspense of={Compare} />}
        {room.value === "inside" && <Suspense of={Inside} />}
        {room.value === "train" && <Suspense of={Train} />}
      </main>
      <Footer />
      <TaskBar />
      <NetworkDialog />
      <DropTarget />
    </>
  );
}
