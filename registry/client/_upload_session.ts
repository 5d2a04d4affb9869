import type { Digest } from "../../spec/digest.ts";
import type { Answer } from "../transport/answer.ts";
import { type RedirectOptions, redirectTarget } from "../transport/redirect.ts";

/** An upload session of a registry. */
export interface UploadSession {
  /** Address of the next request; every response may change it. */
  readonly url: URL;
  /** Number of bytes that the registry has. */
  readonly offset: number;
  /** Minimum size of each chunk but the last; 0 if the registry sets none. */
  readonly minChunkBytes: number;
}

/** Parses the state of an upload from the response to one of its requests. */
export function readSession(
  answer: Answer,
  previous: UploadSession | undefined,
  options: RedirectOptions,
): UploadSession {
  const hasLocation = answer.headers.has("location");
  const url = hasLocation || previous === undefined ? uploadUrl(answer, options) : previous.url;
  const min = Number(answer.headers.get("oci-chunk-min-length") ?? NaN);
  return {
    url,
    // A new upload has no bytes, whatever the registry reports.
    offset: previous === undefined ? 0 : rangeEnd(answer.headers.get("range")) ?? previous.offset,
    minChunkBytes: Number.isSafeInteger(min) && min > 0 ? min : previous?.minChunkBytes ?? 0,
  };
}

/**
 * Parses the `Location` of an upload, absolute or relative, with or without a query. Checks it like
 * a redirect. A registry behind a TLS proxy may return `http` for its own host instead of `https`.
 */
function uploadUrl(answer: Answer, options: RedirectOptions): URL {
  const url = URL.parse(answer.headers.get("location") ?? "", answer.url);
  const isOwnHost = url !== null && url.host === answer.url.host;
  if (isOwnHost && url.protocol === "http:" && answer.url.protocol === "https:") {
    url.protocol = "https:";
    if (url.username === "" && url.password === "") return url;
  }
  return redirectTarget(answer, options);
}

/** Returns the number of bytes in the `Range` of an upload: `0-1023` is 1024. */
function rangeEnd(header: string | null): number | undefined {
  const match = /^(?:bytes[= ])?0-([0-9]+)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const end = Number(match[1]);
  // Registries return "0-0" for an empty upload.
  return end === 0 ? 0 : end + 1;
}

/** Returns the address that completes an upload; keeps the query, which may be signed. */
export function finishUrl({ url }: UploadSession, digest: Digest): URL {
  const finish = new URL(url);
  const query = finish.search.replace(/^\?/, "");
  finish.search = `${query === "" ? "" : `${query}&`}digest=${encodeURIComponent(digest)}`;
  return finish;
}
