import type { RegistryContent } from "../registry_content.ts";
import { startHttpServer } from "./_http_server.ts";
import { MemoryRegistryContent } from "./memory_registry_content.ts";
import { createRegistryHandler, type RegistryHandlerOptions } from "./server_handler.ts";

const IDLE_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 256;
/** The longest that a timer can wait, for those who wait four times as long. */
const MAX_TIMEOUT_MS = (2 ** 31 - 1) >> 2;

/** Options for {@linkcode serveRegistry}. */
export interface ServeRegistryOptions extends RegistryHandlerOptions {
  /**
   * Address to listen at.
   *
   * @default {"127.0.0.1"}
   */
  readonly hostname?: string | undefined;
  /**
   * Port to listen at; 0 means a free one.
   *
   * @default {0}
   */
  readonly port?: number | undefined;
  /** Certificate chain in PEM; with `key`, the registry speaks HTTPS. */
  readonly cert?: string | undefined;
  /** Private key of `cert`, in PEM. */
  readonly key?: string | undefined;
  /**
   * Time in milliseconds after which a connection is closed if its client does not send the request
   * or the part of a body that it is expected to send. A client that does not read an answer has
   * four times as long.
   *
   * @default {30_000}
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Maximum number of connections at once; further ones are closed. Each takes a file descriptor,
   * and as many again while blobs are read and written.
   *
   * @default {256}
   */
  readonly maxConnections?: number | undefined;
  /** Stops the registry. */
  readonly signal?: AbortSignal | undefined;
}

/** A registry that listens. Disposing of it closes every connection. */
export interface RegistryServer extends AsyncDisposable {
  /** Its address, such as `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Host and port, as a reference begins with them: `127.0.0.1:5000`. */
  readonly host: string;
  /** Resolves when the registry has stopped. */
  readonly finished: Promise<void>;
}

/**
 * Serves content as an OCI registry to every client that can reach the address. Without arguments,
 * the registry is empty, writable and in memory, and listens on a free port of 127.0.0.1: a test
 * suite needs no other program and no container.
 *
 * @param content What is served. Content that is writable can be pushed to, unless `readOnly`.
 * @param options Address, TLS, access, limits and hooks.
 * @returns The registry, listening. Dispose of it to stop it.
 * @throws {TypeError} If `cert` is given without `key`, or the reverse.
 * @throws {RangeError} If a limit is out of bounds.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example A registry for a test
 * ```ts
 * import { serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using registry = await serveRegistry();
 * const response = await fetch(`${registry.url}/v2/_catalog`);
 *
 * assertEquals(await response.json(), { repositories: [] });
 * ```
 */
export async function serveRegistry(
  content: RegistryContent = new MemoryRegistryContent(),
  options: ServeRegistryOptions = {},
): Promise<RegistryServer> {
  const { hostname = "127.0.0.1", port = 0, cert, key, signal, ...rest } = options;
  const { idleTimeoutMs = IDLE_TIMEOUT_MS, maxConnections = MAX_CONNECTIONS, ...handling } = rest;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? "cert" : "key";
    throw new TypeError(
      `Cannot serve over TLS as "cert" and "key" go together: "${missing}" is missing`,
    );
  }
  signal?.throwIfAborted();
  checkBound("idleTimeoutMs", idleTimeoutMs, MAX_TIMEOUT_MS);
  checkBound("maxConnections", maxConnections, Number.MAX_SAFE_INTEGER);
  const handler = createRegistryHandler(content, handling);
  const server = await startHttpServer(
    { hostname, port, cert, key, idleTimeoutMs, maxConnections },
    handler,
  );
  const stop = () => server.stop();
  signal?.addEventListener("abort", stop, { once: true });
  const finished = server.finished.then(async () => {
    signal?.removeEventListener("abort", stop);
    await handler[Symbol.asyncDispose]();
  });
  const { address } = server;
  const name = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  const host = `${name}:${address.port}`;
  return {
    host,
    url: `${cert === undefined ? "http" : "https"}://${host}`,
    finished,
    async [Symbol.asyncDispose](): Promise<void> {
      stop();
      await finished;
    },
  };
}

function checkBound(name: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return;
  throw new RangeError(
    `Cannot serve a registry as "${name}" must be an integer from 1 to ${max}: it is ${value}`,
  );
}
