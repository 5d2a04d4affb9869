import type { HttpResponse } from "./http_response.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError, type RequestTask } from "../errors.ts";

/**
 * Returns whether a body is empty or a web page, such as gateways and login portals send with
 * status 200.
 */
export function isWebPage(response: HttpResponse, size: number | undefined): boolean {
  return size === 0 || response.mediaType === "text/html";
}

/** Returns the error for a web page instead of the expected content; retryable. */
export function webPageError({ status, url }: HttpResponse, task: RequestTask): RegistryError {
  return new RegistryError(
    `${url.host} answered with a web page or an empty body`,
    { ...task, status, url: redactUrl(url), retryable: true },
  );
}
