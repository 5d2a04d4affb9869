import type { Digest } from "../../spec/digest.ts";
import type { Answer } from "../transport/answer.ts";
import { redirectTarget } from "../transport/redirect.ts";

/** An upload that a registry has begun. */
export interface UploadSession {
  /** Where the next request goes; every answer may name another address. */
  readonly url: URL;
  /** How many bytes the registry has. */
  readonly offset: number;
  /** Least bytes of a chunk other than the last one; 0 if the registry names none. */
  readonly minChunkBytes: number;
}

/** Reads where an upload goes on, from the answer to one of its requests. */
export function readSession(
  answer: Answer,
  previous: UploadSession | undefined,
  options: { readonly task: string; readonly allowPrivate: boolean },
): UploadSession {
  const hasLocation = answer.headers.has("location");
  const url = hasLocation || previous === undefined ? uploadUrl(answer, options) : previous.url;
  const min = Number(answer.headers.get("oci-chunk-min-length") ?? NaN);
  return {
    url,
    offset: rangeEnd(answer.headers.get("range")) ?? previous?.offset ?? 0,
    minChunkBytes: Number.isSafeInteger(min) && min > 0 ? min : previous?.minChunkBytes ?? 0,
  };
}

/**
 * The `Location` of an upload: absolute or relative, with a query or without. It is vetted as a
 * redirect is. A registry behind a proxy that ends TLS may write `http` for its own host, where
 * `https` is meant.
 */
function uploadUrl(
  answer: Answer,
  { task, allowPrivate }: { readonly task: string; readonly allowPrivate: boolean },
): URL {
  const url = URL.parse(answer.headers.get("location") ?? "", answer.url);
  const isOwnHost = url !== null && url.host === answer.url.host;
  if (isOwnHost && url.protocol === "http:" && answer.url.protocol === "https:") {
    url.protocol = "https:";
    if (url.username === "" && url.password === "") return url;
  }
  return redirectTarget(answer, task, allowPrivate);
}

/** How many bytes a `Range` of an upload says are there: `0-1023` is 1024. */
function rangeEnd(header: string | null): number | undefined {
  const match = /^(?:bytes[= ])?0-([0-9]+)$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const end = Number(match[1]);
  // Registries say "0-0" of an upload that has nothing yet.
  return end === 0 ? 0 : end + 1;
}

/** The address that ends an upload: the rest of the query stays, as it may be signed. */
export function finishUrl({ url }: UploadSession, digest: Digest): URL {
  const finish = new URL(url);
  const query = finish.search.replace(/^\?/, "");
  finish.search = `${query === "" ? "" : `${query}&`}digest=${encodeURIComponent(digest)}`;
  return finish;
}
