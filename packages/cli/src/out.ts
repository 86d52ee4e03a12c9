import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FormatError } from "@residual/core";

/**
 * Before any work is done for it: whether a file can be put there. What is there already has to be a file, since it is
 * replaced by the new one: a directory cannot be, and a device (/dev/null) must not be.
 */
export async function checkOut(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new FormatError(`${path}: found a directory, expected a path for a file in it`);
  if (found && !found.isFile()) throw new FormatError(`${path}: found a device or a pipe, expected a path for a file`);
  const folder = dirname(path);
  const status = await stat(folder).catch(() => undefined);
  if (!status?.isDirectory()) throw new FormatError(`${path}: there is no folder ${folder}; make it first`);
  await access(folder, constants.W_OK).catch(() => {
    throw new FormatError(`${path}: the folder ${folder} cannot be written to; choose another`);
  });
}
