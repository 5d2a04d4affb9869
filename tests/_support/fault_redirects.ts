import { plain } from "./faults.ts";
import type { Fault } from "./faulty_registry.ts";

export interface RedirectOptions {
  /** @default {307} */
  readonly status?: 301 | 302 | 303 | 307 | 308;
  /** A query that the target has, such as a signature. */
  readonly query?: () => Readonly<Record<string, string>>;
}

/**
 * Redirects the client to the same path of another origin, or to another URL of the same origin.
 */
export function redirect(target: string, options: RedirectOptions = {}): Fault {
  const { status = 307, query } = options;
  return (request) => {
    const url = new URL(request.url);
    const location = new URL(target.replace("{path}", url.pathname), request.url);
    if (location.pathname === "/" && !target.includes("{path}")) location.pathname = url.pathname;
    for (const [name, value] of Object.entries(query?.() ?? {})) {
      location.searchParams.set(name, value);
    }
    return plain(status, { location: location.href });
  };
}

/** Redirects the client endlessly, each time to a new URL. */
export function redirectLoop(): Fault {
  let turn = 0;
  return (request) => {
    const location = new URL(request.url);
    location.searchParams.set("turn", String(++turn));
    return plain(307, { location: location.href });
  };
}

export interface SignedUrlsOptions {
  /** Number of uses of a URL. */
  readonly uses?: number;
  /** Status of the response to an expired URL. */
  readonly status?: number;
}

/** Redirects of a registry to URLs that expire, and the server of the URLs. */
export interface SignedUrls {
  /** For the registry. */
  redirect(origin: string): Fault;
  /** For the server. */
  readonly check: Fault;
  /** Expires every URL so far. */
  expire(): void;
}

/** Makes the two faults of a blob store with signed URLs that expire. */
export function signedUrls(options: SignedUrlsOptions = {}): SignedUrls {
  const { uses = Infinity, status = 403 } = options;
  const left = new Map<string, number>();
  let count = 0;
  return {
    redirect: (origin) =>
      redirect(origin, {
        query() {
          const signature = `signature-${++count}`;
          left.set(signature, uses);
          return { "X-Amz-Signature": signature };
        },
      }),
    async check(request, next) {
      const signature = new URL(request.url).searchParams.get("X-Amz-Signature") ?? "";
      const remaining = left.get(signature) ?? 0;
      if (remaining < 1) {
        const body = "<Error><Code>AccessDenied</Code><Message>expired</Message></Error>";
        return plain(status, { "content-type": "application/xml" }, body);
      }
      left.set(signature, remaining - 1);
      return await next();
    },
    expire: () => left.clear(),
  };
}
