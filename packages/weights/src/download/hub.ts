import { WeightsError } from "@residual/core";
import { shown } from "@residual/kit/bytes";
import { HUB } from "./repository.ts";

/** The hub's address, or that of a mirror if HF_ENDPOINT is set. */
function endpoint(): string {
  const { HF_ENDPOINT: given } = process.env;
  if (!given) return HUB;
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given.replace(/\/+$/, "");
  throw new WeightsError(`HF_ENDPOINT: found ${shown(given, 80)}, expected an http(s) address, as ${HUB}`);
}

/** The address to download a file from. Files of the hub come from HF_ENDPOINT if it is set. */
export function mirrored(url: string): string {
  return url.startsWith(`${HUB}/`) ? endpoint() + url.slice(HUB.length) : url;
}

/** Whether the `X-Linked-…` headers of a server can be trusted: only those of the hub. */
export function isHub(url: URL): boolean {
  return url.origin === HUB || url.href.startsWith(`${endpoint()}/`);
}

/** The authorization headers: HF_TOKEN is sent only to the hub itself, over TLS. */
export function authorization({ protocol, host }: URL): Readonly<Record<string, string>> {
  const token = process.env.HF_TOKEN?.trim();
  if (!token || protocol !== "https:" || host !== "huggingface.co") return {};
  if (/^[\x21-\x7e]+$/.test(token)) return { authorization: `Bearer ${token}` };
  throw new WeightsError("HF_TOKEN: found characters that no token has; set it to the token alone, as hf_…");
}

/**
 * The environment variable that forbids network access; undefined if none is set. Source: huggingface_hub,
 * constants.py.
 */
export function offlineVariable(): string | undefined {
  return ["RESIDUAL_OFFLINE", "HF_HUB_OFFLINE"].find((name) => /^(1|on|yes|true)$/i.test(process.env[name] ?? ""));
}
