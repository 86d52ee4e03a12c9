import { once } from "node:events";
import { createServer } from "node:http";
import { importBoard } from "./peers.ts";
import { openQueue } from "./queue.ts";
import type { QueueOptions } from "./types.ts";

/**
 * Serves Bull Board: a page of the queue's shards, with the reasons of those set aside, that can retry and remove them.
 * The page has no password, so it listens on loopback where no other `host` is given.
 */
export async function openBoard(
  options: QueueOptions & { readonly port: number; readonly host?: string | undefined },
): Promise<AsyncDisposable & { readonly url: string }> {
  const { createBullBoard, BullMQAdapter, ExpressAdapter } = await importBoard();
  const queue = await openQueue(options);
  const serverAdapter = new ExpressAdapter();
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter });
  const server = createServer(serverAdapter.getRouter());
  const host = options.host ?? "127.0.0.1";
  const dispose = async () => {
    server.closeAllConnections();
    server.close();
    await queue.close();
  };
  try {
    await once(server.listen(options.port, host), "listening");
  } catch (error) {
    await dispose();
    throw error;
  }
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return { url: `http://${host}:${port}`, [Symbol.asyncDispose]: dispose };
}
