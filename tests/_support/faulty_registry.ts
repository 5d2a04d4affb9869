import { createRegistryHandler, type RegistryContent } from "../../registry/mod.ts";
import { type RawResponse, type RawServer, type RawServerOptions, serveRaw } from "./raw_server.ts";

export * from "./fault_auth.ts";
export * from "./fault_redirects.ts";
export * from "./faults.ts";
export type { RawResponse, Wire } from "./raw_server.ts";

/** Subject of a request. */
export type RequestKind =
  | "root"
  | "catalog"
  | "manifest"
  | "blob"
  | "tags"
  | "referrers"
  | "token"
  | "other";

/** A request that the registry received. */
export interface RecordedRequest {
  readonly method: string;
  readonly kind: RequestKind;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  /** Status of the answer; 0 until there is one. */
  readonly status: number;
  /** Number of bytes of the response body that were sent. */
  readonly bytesSent: number;
  /** Whether sending the response has ended. */
  readonly ended: boolean;
}

/** Answers a request itself, or changes the response of `next`. */
export type Fault = (
  request: Request,
  next: (request?: Request) => Promise<RawResponse>,
) => RawResponse | Promise<RawResponse>;

/** Selects the requests that a fault applies to. */
export interface FaultMatch {
  readonly kind?: RequestKind | readonly RequestKind[];
  readonly method?: string;
  /** Compared with path and query. */
  readonly path?: RegExp;
  /** Numbers of the requests of the same method and path, starting at 1. */
  readonly nth?: number | readonly number[];
  /** Maximum number of requests, over all paths. */
  readonly times?: number;
}

/** A fault and when it occurs. */
export interface FaultRule {
  readonly match: FaultMatch;
  readonly fault: Fault;
}

/** Makes a rule; a kind alone matches each of its requests. */
export function on(match: FaultMatch | RequestKind, fault: Fault): FaultRule {
  return { match: typeof match === "string" ? { kind: match } : match, fault };
}

/** A registry that lies, stalls and breaks on request. Disposing of it ends everything. */
export interface FaultyRegistry extends RawServer {
  /** Every request so far, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Adds rules; the first of all rules is the outermost. */
  add(...rules: readonly FaultRule[]): void;
  /** Removes all rules. */
  heal(): void;
  /** The requests of a kind, as `METHOD path`. */
  seen(kind?: RequestKind): readonly string[];
  /** Returns the number of body bytes that were sent for a kind. */
  bytesSent(kind?: RequestKind): number;
}

/** Serves content as a registry, with faults. */
export function faultyRegistry(
  content: RegistryContent,
  rules: readonly FaultRule[] = [],
  options: Pick<RawServerOptions, "tls" | "address"> = {},
): FaultyRegistry {
  const requests: RecordedRequest[] = [];
  let chain = rules.map(counted);
  const handler = createRegistryHandler(content);
  const registry = async (request: Request): Promise<RawResponse> => {
    const { status, headers, body } = await handler(request);
    return { status, headers, body };
  };
  const answer = (request: Request, position: number): Promise<RawResponse> | RawResponse => {
    const rule = chain[position];
    if (rule === undefined) return registry(request);
    const next = (changed = request) => Promise.resolve(answer(changed, position + 1));
    return rule.applies(request) ? rule.fault(request, next) : next();
  };
  const server = serveRaw((request) => Promise.resolve(answer(request, 0)), {
    ...options,
    onRequest(request) {
      const record = {
        method: request.method,
        kind: kindOf(request),
        path: pathOf(request),
        headers: new Headers(request.headers),
        status: 0,
        bytesSent: 0,
        ended: false,
      };
      requests.push(record);
      return ({ status }, bytesSent) => Object.assign(record, { status, bytesSent, ended: true });
    },
  });
  const of = (kind?: RequestKind) => requests.filter((item) => !kind || item.kind === kind);
  return {
    url: server.url,
    host: server.host,
    requests,
    add: (...added) => chain.push(...added.map(counted)),
    heal: () => chain = [],
    seen: (kind) => of(kind).map(({ method, path }) => `${method} ${path}`),
    bytesSent: (kind) => of(kind).reduce((sum, item) => sum + item.bytesSent, 0),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

interface CountedRule {
  applies(request: Request): boolean;
  readonly fault: Fault;
}

function counted({ match, fault }: FaultRule): CountedRule {
  const { kind, method, path, nth, times = Infinity } = match;
  const kinds = kind === undefined ? undefined : [kind].flat();
  const numbers = nth === undefined ? undefined : [nth].flat();
  const seen = new Map<string, number>();
  let applied = 0;
  return {
    fault,
    applies(request) {
      if (method !== undefined && method !== request.method) return false;
      if (kinds !== undefined && !kinds.includes(kindOf(request))) return false;
      if (path !== undefined && !path.test(pathOf(request))) return false;
      const key = `${request.method} ${new URL(request.url).pathname}`;
      const number = (seen.get(key) ?? 0) + 1;
      seen.set(key, number);
      if (numbers !== undefined && !numbers.includes(number)) return false;
      return ++applied <= times;
    },
  };
}

/** The path and the query of a request. */
export function pathOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return `${pathname}${search}`;
}

/** Returns the subject of a request. */
export function kindOf(request: Request): RequestKind {
  const { pathname } = new URL(request.url);
  if (pathname === "/token") return "token";
  if (pathname === "/v2" || pathname === "/v2/") return "root";
  if (pathname === "/v2/_catalog") return "catalog";
  const match = /^\/v2\/.+\/(manifest|blob|tag|referrer)s\/[^/]+$/.exec(pathname);
  return match === null
    ? "other"
    : match[1] === "tag"
    ? "tags"
    : match[1] === "referrer"
    ? "referrers"
    : match[1] as "manifest" | "blob";
}
