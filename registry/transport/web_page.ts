import type { Answer } from "./answer.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError, type RequestTask } from "../errors.ts";

/** Returns the media type of a response without parameters. */
export function mediaTypeOf({ headers }: Answer): string {
  const [type = ""] = (headers.get("content-type") ?? "").split(";");
  return type.trim().toLowerCase();
}

/**
 * Returns whether a body is empty or a web page, such as gateways and login portals send with
 * status 200.
 */
export function isPage(answer: Answer, size: number | undefined): boolean {
  return size === 0 || mediaTypeOf(answer) === "text/html";
}

/** Returns the error for a web page instead of the expected content; retryable. */
export function pageError({ status, url }: Answer, task: RequestTask): RegistryError {
  return new RegistryError(
    `${url.host} answered with a web page or an empty body`,
    { ...task, status, url: redactUrl(url), retryable: true },
  );
}
