import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/**
 * Whether only this user and the administrator can change a file, or replace it: the file and all folders above belong
 * to one of the two, and others cannot write to them. In a sticky folder, such as the system's temporary folder, others
 * cannot rename files of this user.
 */
export async function isPrivate(path: string): Promise<boolean> {
  let at = await realpath(path);
  let isLast = true;
  for (;;) {
    const { uid, gid, mode } = await lstat(at);
    if (uid !== 0 && uid !== process.geteuid?.()) return false;
    const isSticky = !isLast && (mode & 0o1000) !== 0;
    const isOwnGroup = gid === uid; // on many systems each user has a private group with the same number
    const others = isOwnGroup ? 0o002 : 0o022;
    if ((mode & others) !== 0 && !isSticky) return false;
    const above = dirname(at);
    if (above === at) return true;
    [at, isLast] = [above, false];
  }
}
