import type { CDPSession, Page } from "playwright";
import { givePicture, isReady, photos } from "./site.ts";

/** What the page holds: bytes of objects and buffers, in the page and its workers; and elements of the DOM. */
export interface Held {
  readonly bytes: number;
  readonly workers: number;
  readonly elements: number;
}

/** After garbage is collected: more than once, since buffers go when those that hold them have gone. */
export async function heldBy(page: Page): Promise<Held> {
  for (let i = 0; i < 4; i++) {
    await Promise.all([page, ...page.workers()].map((scope: Pick<Page, "evaluate">) => scope.evaluate("gc()")));
    await page.waitForTimeout(50);
  }
  const session = await page.context().newCDPSession(page);
  const [ofPage, ofWorkers] = await Promise.all([session.send("Runtime.getHeapUsage"), workerHeaps(session)]);
  await session.detach();
  const bytes = [ofPage, ...ofWorkers].reduce((sum, heap) => sum + heap.usedSize + heap.backingStorageSize, 0);
  return { bytes, workers: page.workers().length, elements: await page.locator("*").count() };
}

interface Heap {
  readonly usedSize: number;
  readonly backingStorageSize: number;
}

/** The heaps of the page's workers. Playwright has no session for a worker: messages go by way of the page's. */
async function workerHeaps(session: CDPSession): Promise<readonly Heap[]> {
  const ids: string[] = [];
  session.on(
    "Target.attachedToTarget",
    ({ sessionId, targetInfo: { type } }) => type === "worker" && ids.push(sessionId),
  );
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const message = JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" });
  const answers = ids.map(
    (id) =>
      new Promise<Heap>((resolve) => {
        session.on("Target.receivedMessageFromTarget", ({ sessionId, message: text }) => {
          const { id: answered, result } = JSON.parse(text) as { readonly id?: number; readonly result: Heap };
          if (sessionId === id && answered === 1) resolve(result);
        });
      }),
  );
  await Promise.all(ids.map((sessionId) => session.send("Target.sendMessageToTarget", { sessionId, message })));
  return Promise.all(answers);
}

/** Classifies pictures in turn, each with its map. */
export async function classifyPictures(page: Page, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const [file, label] = i % 2 === 0 ? ["rocket.jpg", "ship"] : ["chelsea.png", "cat"];
    await givePicture(page, `${photos}${file}`);
    await page.locator(".best", { hasText: label }).waitFor();
    await isReady(page);
  }
}

/** Loads networks in turn. */
export async function changeNetwork(page: Page, count: number, file: string): Promise<void> {
  for (let i = 0; i < count; i++) {
    const isFile = i % 2 === 0;
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByRole("radio", { name: isFile ? "From a file" : "Embedded" }).check();
    if (isFile) await page.getByLabel("File of weights").setInputFiles(file);
    await page.getByRole("button", { name: "Load", exact: true }).click();
    await page.locator(".network dd", { hasText: isFile ? ".safetensors," : "cifar10, " }).waitFor();
    await isReady(page);
  }
}
