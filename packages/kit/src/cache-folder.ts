import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * The cache folder: `residual` in $XDG_CACHE_HOME, else in ~/.cache. A relative $XDG_CACHE_HOME is ignored, as the XDG
 * Base Directory Specification asks. Undefined if the user has no home folder.
 */
export function cacheFolder(): string | undefined {
  const { XDG_CACHE_HOME: given } = process.env;
  if (given && isAbsolute(given)) return join(given, "residual");
  const home = homeFolder();
  return home && join(home, ".cache", "residual");
}

/**
 * The home folder. Node throws without $HOME and an entry in the user database, as in a container with a foreign user.
 */
function homeFolder(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}
