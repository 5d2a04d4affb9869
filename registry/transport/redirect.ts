import type { Answer } from "./answer.ts";
import { isPrivateAddress } from "./private_address.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError, type RequestTask } from "../errors.ts";

const MAX_REDIRECTS = 10;
const STATUSES = new Set([301, 302, 303, 307, 308]);

/** Options for {@linkcode followRedirects} and {@linkcode redirectTarget}. */
export interface RedirectOptions {
  readonly task: RequestTask;
  /** Whether a redirect may lead into a private network. */
  readonly allowPrivate: boolean;
}

/**
 * Follows redirects to the first response that is not one.
 *
 * @throws {RegistryError} If there are too many redirects, or an unsafe one.
 */
export async function followRedirects(
  answer: Answer,
  options: RedirectOptions,
  send: (target: URL) => Promise<Answer>,
): Promise<Answer> {
  for (let hops = 0; STATUSES.has(answer.status); hops++) {
    // Nothing needs the body of a redirect.
    answer[Symbol.dispose]();
    const target = redirectTarget(answer, options);
    if (hops >= MAX_REDIRECTS) {
      throw new RegistryError(
        `${answer.url.host} sends more than ${MAX_REDIRECTS} redirects`,
        { ...options.task, status: answer.status, url: redactUrl(answer.url) },
      );
    }
    answer = await send(target);
  }
  return answer;
}

/**
 * Returns the target of a redirect.
 *
 * @throws {RegistryError} If it leads from HTTPS to plain HTTP or into a private network, or if it
 * is missing.
 */
export function redirectTarget(answer: Answer, { task, allowPrivate }: RedirectOptions): URL {
  const location = answer.headers.get("location");
  const fail = (state: string): never => {
    const url = redactUrl(answer.url);
    throw new RegistryError(
      `${answer.url.host} redirects ${state}`,
      { ...task, status: answer.status, url },
    );
  };
  const url = URL.parse(location ?? "", answer.url);
  if (location === null || url === null) return fail("without a valid target");
  if (url.protocol !== "https:" && url.protocol !== "http:") fail(`to a ${url.protocol} address`);
  if (url.protocol === "http:" && answer.url.protocol === "https:") {
    fail(`from https to plain HTTP, at ${url.host}`);
  }
  if (url.username !== "" || url.password !== "") fail("to an address that contains a password");
  if (isPrivateAddress(url) && !allowPrivate) {
    fail(`to ${url.hostname} in a private network`);
  }
  return url;
}
