import { readFileSync, readlinkSync } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fnv1a32 } from "@residual/core";

/** The process that a name belongs to. */
export interface Owner {
  readonly pid: number;
  /** Start time in clock ticks since boot, since process ids are reused. 0 if unknown. */
  readonly start: string;
  /** Time of the machine's boot. */
  readonly boot: string;
  /** The machine and the container: containers that share a folder have separate process ids. */
  readonly place: string;
}

/**
 * A random name for a temporary file of this process: `residual-onnx-1234.5678.0a1b2c3d.4e5f6a7b-Zx81qf`. If the
 * process is killed, other processes see from the name that the file is left over.
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
 * Removes the files in a folder whose names are owned names of ended processes, if they belong to this user. Files of
 * other machines and containers stay, since their processes cannot be checked. Never throws.
 */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = ownerOf(name);
    if (!owner || !isOver(owner)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    // Windows has no user ids, and a temporary folder for each user. A link may lead anywhere.
    const isMine = !process.getuid || found?.uid === process.getuid();
    const isOfOurs = found?.isDirectory() || found?.isFile();
    if (isMine && isOfOurs) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** Undefined for other names. */
export function ownerOf(name: string): Owner | undefined {
  const [, pid, start, boot, place] =
    /^residual-[\w-]+-(\d+)\.(\d+)\.([0-9a-f]{8})\.([0-9a-f]{8})-\w+$/.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), start: start!, boot: boot!, place: place! };
}

/** Whether the process has ended. Undefined for processes of other machines and containers. */
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

/** Start time of a process, from Linux: field 22. Source: proc_pid_stat(5). Undefined elsewhere. */
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
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, but another user's
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
