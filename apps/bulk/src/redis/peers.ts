import type { RequestListener } from "node:http";
import type { IServerAdapter } from "@bull-board/api/typings/app";
import { BackendUnavailableError } from "@residual/core";

const INSTALL = "npm install bullmq ioredis";

/** Optional packages, imported when first used. The error for a missing package names the command that installs it. */
export const importBullmq = (): Promise<typeof import("bullmq")> => peer(() => import("bullmq"), "bullmq", INSTALL);

export const importIoredis = (): Promise<Pick<typeof import("ioredis"), "Redis">> =>
  peer(() => import("ioredis"), "ioredis", INSTALL);

type Board = typeof import("@bull-board/api") &
  typeof import("@bull-board/api/bullMQAdapter") & {
    // its own types say `any`
    readonly ExpressAdapter: new () => IServerAdapter & { getRouter(): RequestListener };
  };

export const importBoard = (): Promise<Board> =>
  peer(loadBoard, "Bull Board", "npm install @bull-board/api @bull-board/express");

async function loadBoard(): Promise<Board> {
  const [api, adapter, express] = await Promise.all([
    import("@bull-board/api"),
    import("@bull-board/api/bullMQAdapter"),
    import("@bull-board/express"),
  ]);
  return { ...api, ...adapter, ...express };
}

/** Exported for its test. */
export async function peer<Module>(load: () => Promise<Module>, name: string, install: string): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? cause.code : cause;
    throw new BackendUnavailableError(`${name} does not load (${String(why)}); ${install}`, { cause });
  }
}
