import type { RegistryContent } from "../registry_content.ts";
import { createRegistryHandler, type RegistryHandlerOptions } from "./server_handler.ts";

/** Options for {@linkcode serveRegistry}. */
export interface ServeRegistryOptions extends RegistryHandlerOptions {
  /**
   * Address to listen at.
   *
   * @default {"127.0.0.1"}
   */
  readonly hostname?: string;
  /**
   * Port to listen at; 0 is one that is free.
   *
   * @default {0}
   */
  readonly port?: number;
  /** Certificate chain in PEM; with `key`, the registry speaks HTTPS. */
  readonly cert?: string;
  /** Private key of `cert`, in PEM. */
  readonly key?: string;
  /** Stops the registry. */
  readonly signal?: AbortSignal;
}

/** A registry that listens. Disposing of it closes every connection. */
export interface RegistryServer extends AsyncDisposable {
  /** Where it is, such as `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Host and port, as a reference begins with them: `127.0.0.1:5000`. */
  readonly host: string;
  /** Resolves when the registry has stopped. */
  readonly finished: Promise<void>;
}

/**
 * Serves content as an OCI registry, for whoever can reach the address.
 *
 * @param content What is served.
 * @param options Address, TLS and hooks.
 * @returns The registry, listening.
 * @throws {TypeError} If `cert` is given without `key`, or the other way round.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example A registry on a free port
 * ```ts
 * import { serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveRegistry({
 *   repositories: () => Promise.resolve(["library/alpine"]),
 *   tags: () => Promise.resolve([]),
 *   resolve: () => Promise.resolve(undefined),
 *   size: () => Promise.resolve(undefined),
 *   open: () => Promise.reject(new Deno.errors.NotFound()),
 *   referrers: () => Promise.resolve([]),
 * });
 * const response = await fetch(`${server.url}/v2/_catalog`);
 *
 * assertEquals(await response.json(), { repositories: ["library/alpine"] });
 * ```
 */
export function serveRegistry(
  content: RegistryContent,
  options: ServeRegistryOptions = {},
): RegistryServer {
  const { hostname = "127.0.0.1", port = 0, cert, key, signal, ...hooks } = options;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    throw new TypeError(
      `Cannot serve over TLS as "cert" and "key" go together: "${missing}" is not given`,
    );
  }
  // Deno's server would never end.
  signal?.throwIfAborted();
  const stop = new AbortController();
  const server = Deno.serve(
    {
      hostname,
      port,
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
    },
    createRegistryHandler(content, hooks),
  );
  const { addr } = server;
  const name = addr.hostname.includes(":") ? `[${addr.hostname}]` : addr.hostname;
  const host = `${name}:${addr.port}`;
  return {
    host,
    url: `${cert === undefined ? "http" : "https"}://${host}`,
    finished: server.finished,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await server.finished;
    },
  };
}
