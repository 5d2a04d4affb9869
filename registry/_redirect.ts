import type { Answer } from "./_answer.ts";
import { isPrivateAddress } from "./_private_address.ts";
import { redactUrl } from "./_redact.ts";
import { RegistryError } from "./errors.ts";

/** The most redirects that are followed. */
export const MAX_REDIRECTS = 10;

const STATUSES = new Set([301, 302, 303, 307, 308]);

/** Whether a status says that what was asked for is elsewhere. */
export function isRedirect(status: number): boolean {
  return STATUSES.has(status);
}

/**
 * Where a redirect leads to.
 *
 * @throws {RegistryError} If it leads from https to plain HTTP, into a private network, or
 * nowhere.
 */
export function redirectTarget(answer: Answer, task: string, allowPrivate: boolean): URL {
  const location = answer.headers.get("location");
  const fail = (state: string): never => {
    const url = redactUrl(answer.url);
    throw new RegistryError(
      `Cannot ${task}: ${answer.url.host} redirects ${state}`,
      { status: answer.status, url },
    );
  };
  const url = URL.parse(location ?? "", answer.url);
  if (location === null || url === null) return fail("without saying where");
  if (url.protocol !== "https:" && url.protocol !== "http:") fail(`to a ${url.protocol} address`);
  if (url.protocol === "http:" && answer.url.protocol === "https:") {
    fail(`from https to plain HTTP, at ${url.host}`);
  }
  if (url.username !== "" || url.password !== "") fail("to an address that holds a password");
  if (isPrivateAddress(url) && !allowPrivate) {
    fail(`to ${url.hostname}, an address of a private network`);
  }
  return url;
}
