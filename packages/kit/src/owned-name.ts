import { readFileSync, readlinkSync } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fnv1a32 } from "@residual/core";

/** The process that a name belongs to. */
export interface Owner {
  readonly pid: number;
  /** When it started, in clock ticks since the machine did: process numbers come again. 0 where that is not known. */
  readonly start: string;
  /** The machine's start. */
  readonly boot: string;
  /** The machine and the container: those that share a folder number their processes by themselves. */
  readonly place: string;
}

/**
 * A random name for something that this process removes by its end: `residual-onnx-1234.5678.0a1b2c3d.4e5f6a7b-Zx81qf`.
 * Should the process be killed, the name tells other processes so.
 */
export function ownedName(use: string): string {
  return `${ownedPrefix(use)}${Math.random().toString(36).slice(2)}`;
}

/** An owned name without its random end, for mkdtemp. */
export function ownedPrefix(use: string): string {
  const { pid, start, boot, place } = self();
  return `residual-${use}-${pid}.${start}.${boot}.${place}-`;
}

/**
 * Removes from a folder what has an owned name, belongs to this user, and whose process is over. Names of other
 * machines and containers stay: of their processes nothing is known here. Never throws.
 */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = ownerOf(name);
    if (!owner || !isOver(owner)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    // Windows has no numbers of users, and a temporary folder for each. A link may lead anywhere.
    const isMine = !process.getuid || found?.uid === process.getuid();
    const isOfOurs = found?.isDirectory() || found?.isFile();
    if (isMine && isOfOurs) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** Undefined for a name that is not an owned one. */
export function ownerOf(name: string): Owner | undefined {
  const [, pid, start, boot, place] =
    /^residual-[\w-]+-(\d+)\.(\d+)\.([0-9a-f]{8})\.([0-9a-f]{8})-\w+$/.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), start: start!, boot: boot!, place: place! };
}

/** Whether the process has ended. Undefined for processes of other machines and containers, since nothing tells it. */
export function isOver({ pid, start, boot, place }: Owner): boolean | undefined {
  const me = self();
  if (place !== me.place) return undefined;
  if (boot !== me.boot) return true;
  return start === UNKNOWN ? !isAlive(pid) : startOf(pid) !== start;
}

let known: Owner | undefined;

function self(): Owner {
  known ??= {
    pid: process.pid,
    start: startOf("self") ?? UNKNOWN,
    boot: digest(orNothing(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))),
    place: digest(`${hostname()} ${orNothing(() => readlinkSync("/proc/self/ns/pid"))}`),
  };
  return known;
}

const UNKNOWN = "0";

/** Linux tells when a process started: field 22. Source: proc_pid_stat(5). Undefined where there is none. */
function startOf(pid: number | "self"): string | undefined {
  const fields = orNothing(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
    .split(") ")
    .at(-1)!;
  return fields.split(" ")[19];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, of another user
  }
}

function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return ""; // not on Linux
  }
}

function digest(text: string): string {
  return fnv1a32(text).toString(16).padStart(8, "0");
}
