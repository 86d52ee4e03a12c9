import { ResidualError } from "@residual/core";
import { type ReadOptions, readBytes } from "@residual/kit/bytes";
import { delay } from "@residual/kit/files";
import { AwsClient } from "aws4fetch";
import { FetchError } from "../errors.ts";

const ATTEMPTS = 5;
/** Milliseconds of one attempt, with its redirects and its body. */
const TIMEOUT = 60_000;
/** Milliseconds before the second attempt, doubled for each next; and the longest. */
const BACKOFF = { first: 250, longest: 30_000 };
/** Statuses of servers that are overloaded or restarting. */
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);

export const isUrl = (image: string): boolean => /^(https?|s3):\/\//i.test(image);

interface FetchOptions extends Pick<ReadOptions, "maxBytes" | "expected" | "name"> {
  readonly endpoint: string | null;
}

/**
 * The bytes at an `http(s)://` or `s3://` URL. Attempts that fail for the moment are repeated, later and later. At most
 * 20 redirects, as fetch follows. Throws FetchError after the last attempt, FormatError for another answer than a file.
 */
export async function fetchPicture(image: string, options: FetchOptions): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const { value, why, after } = await attemptOf(image, options);
    if (value) return value;
    if (attempt === ATTEMPTS)
      throw new FetchError(`${image}: ${why}, ${ATTEMPTS} times; run bulk retry when the server is back`);
    const pause = BACKOFF.first * 2 ** (attempt - 1) * (0.5 + Math.random());
    await delay(Math.min(Math.max(pause, after ?? 0), BACKOFF.longest));
  }
}

interface Attempt {
  readonly value?: Uint8Array;
  /** The reason of a failure that may pass. */
  readonly why?: string;
  /** Milliseconds that the server asks to wait. */
  readonly after?: number;
}

async function attemptOf(image: string, { endpoint, ...limits }: FetchOptions): Promise<Attempt> {
  const signal = AbortSignal.timeout(TIMEOUT);
  try {
    const response = await fetch(await requestFor(image, endpoint), { signal });
    if (!TEMPORARY.has(response.status)) return { value: await readBytes(response, { ...limits, signal }) };
    await response.body?.cancel();
    const after = Number(response.headers.get("retry-after")) * 1000;
    return { why: `the server answers ${response.status}`, ...(after > 0 && { after }) };
  } catch (error) {
    if (signal.aborted) return { why: `no answer within ${TIMEOUT / 1000} s` };
    if (error instanceof ResidualError && error.cause === undefined) throw error; // of the answer, not of the network
    const { message, cause } = error as Error;
    return { why: `it cannot be fetched (${cause instanceof Error ? cause.message : message})` };
  }
}

/** S3's requests are signed where the environment has AWS credentials; a public bucket needs none. */
async function requestFor(image: string, endpoint: string | null): Promise<string | Request> {
  if (!/^s3:/i.test(image)) return image;
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  const region = AWS_REGION || AWS_DEFAULT_REGION || "us-east-1";
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]*)\/(.*)$/is.exec(image) ?? [];
  const host = endpoint ? `${endpoint.replace(/\/$/, "")}/${bucket}` : `https://${bucket}.s3.${region}.amazonaws.com`;
  const url = `${host}/${key.split("/").map(encodeURIComponent).join("/")}`;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return url;
  const client = new AwsClient({
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
    region,
    service: "s3",
  });
  return client.sign(url);
}
