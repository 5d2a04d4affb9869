import type { Answer } from "./answer.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError } from "../errors.ts";

/** The media type of an answer, without parameters. */
export function mediaTypeOf({ headers }: Answer): string {
  const [type = ""] = (headers.get("content-type") ?? "").split(";");
  return type.trim().toLowerCase();
}

/** Whether `size` bytes are a page for people, or nothing: gateways and portals send such with 200. */
export function isPage(answer: Answer, size: number | undefined): boolean {
  return size === 0 || mediaTypeOf(answer) === "text/html";
}

/** The error for a page in place of what was asked for; it may be better next time. */
export function pageError({ status, url }: Answer, task: string): RegistryError {
  return new RegistryError(
    `Cannot ${task}: ${url.host} answered with a page, or with nothing`,
    { status, url: redactUrl(url), retryable: true },
  );
}
