import {
  createRegistryHandler,
  MemoryRegistryContent,
  type RegistryHandlerOptions,
} from "../../registry/mod.ts";

/** A request that the registry received. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly status: number;
}

/** Answers a request itself, or changes the response of `next`. */
export type Interference = (
  request: Request,
  next: (request?: Request) => Promise<Response>,
) => Response | Promise<Response>;

export interface WritableRegistryOptions extends RegistryHandlerOptions {
  /** Intercepts the requests to the registry. */
  readonly interfere?: Interference;
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A registry to push to, whose responses a test can change. Disposing of it stops the server. */
export interface WritableRegistry extends AsyncDisposable {
  readonly content: MemoryRegistryContent;
  readonly host: string;
  readonly requests: readonly SeenRequest[];
  /** The requests so far, as `METHOD path`, without `/v2/`. */
  seen(): readonly string[];
  /** Forgets the requests so far. */
  forget(): void;
}

/** Serves an empty registry on a free port of the loopback. */
export function writableRegistry(options: WritableRegistryOptions = {}): WritableRegistry {
  const { interfere = (_, next) => next(), tls, ...handlerOptions } = options;
  const content = new MemoryRegistryContent();
  const handler = createRegistryHandler(content, handlerOptions);
  const requests: SeenRequest[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
    ...tls,
  }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const path = `${pathname}${search}`.replace(/^\/v2\//, "");
    const { method, headers } = request;
    const seen = { method, path, headers, status: 0 };
    requests.push(seen);
    const answer = await interfere(request, (changed = request) => handler(changed));
    seen.status = answer.status;
    return answer;
  });
  return {
    content,
    host: `127.0.0.1:${server.addr.port}`,
    requests,
    seen: () => requests.map(({ method, path }) => `${method} ${path}`),
    forget: () => requests.length = 0,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await handler[Symbol.asyncDispose]();
    },
  };
}
