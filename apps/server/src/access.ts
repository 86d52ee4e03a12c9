import { createHash, timingSafeEqual } from "node:crypto";
import { OptionError } from "@residual/pipeline";

/** Whether a request's credentials are valid. */
export type KeyCheck = (authorization: string | undefined, apiKey: string | undefined) => boolean;

const digestOf = (key: string): Buffer => createHash("sha256").update(key).digest();

/**
 * Checks `Authorization: Bearer KEY` or `X-API-Key: KEY`. Digests are compared in constant time, so that the time shows
 * neither a key's length nor its first characters. Without keys every request is accepted.
 */
export function keyCheck(keys: readonly string[]): KeyCheck {
  const digests = keys.map(digestOf);
  if (digests.length === 0) return () => true;
  return (authorization, apiKey) => {
    const given = digestOf(apiKey ?? /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1] ?? "");
    return digests.reduce((isKnown, digest) => timingSafeEqual(digest, given) || isKnown, false);
  };
}

/** Whether only this machine reaches the address. */
const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/** Throws OptionError for an address that others reach unless there are keys, or `noAuth` says that none are needed. */
export function checkAccess(host: string, keys: readonly string[], noAuth: boolean): void {
  if (keys.some((key) => key.trim() === "")) throw new OptionError("a key in `apiKeys` is empty");
  if (keys.length > 0 && noAuth) throw new OptionError("`noAuth` and API keys exclude each other; give one of the two");
  if (keys.length > 0 || noAuth || isLoopback(host)) return;
  throw new OptionError(
    `\`host\` ${host} is reachable from other machines, and there are no API keys; give \`apiKeyFile\`, or \`noAuth\` ` +
      "if something in front of the server checks who may call it",
  );
}
