import { checkIntegers } from "../../spec/error_facts.ts";
import { onAbort } from "../tasks/abortable.ts";
import { startHttpServer } from "./_http_server.ts";
import { MemoryRegistryContent } from "./memory_registry_content.ts";
import type { RegistryContent } from "./registry_content.ts";
import { createRegistryHandler, type RegistryHandlerOptions } from "./registry_handler.ts";

const IDLE_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 256;
/** Maximum delay of a timer, divided by four for the read timeout. */
const MAX_TIMEOUT_MS = (2 ** 31 - 1) >> 2;

/** Options for {@linkcode serveRegistry}. */
export interface ServeRegistryOptions extends RegistryHandlerOptions {
  /**
   * Address to listen on.
   *
   * @default {"127.0.0.1"}
   */
  readonly hostname?: string | undefined;
  /**
   * Port to listen on; 0 picks a free port.
   *
   * @default {0}
   */
  readonly port?: number | undefined;
  /** Certificate chain in PEM; with `key`, enables HTTPS. */
  readonly cert?: string | undefined;
  /** Private key of `cert`, in PEM. */
  readonly key?: string | undefined;
  /**
   * Time in milliseconds after which a connection is closed if its client does not send an expected
   * request or part of a body. A client that does not read a response has four times as long.
   *
   * @default {30_000}
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Maximum number of concurrent connections; further ones are closed. Each uses a file descriptor,
   * and another one while it reads or writes a blob.
   *
   * @default {256}
   */
  readonly maxConnections?: number | undefined;
  /** Stops the registry. */
  readonly signal?: AbortSignal | undefined;
}

/** A listening registry. Disposing of it closes all connections. */
export interface RegistryServer extends AsyncDisposable {
  /** URL of the registry, such as `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Host and port for references, such as `127.0.0.1:5000`. */
  readonly host: string;
  /** Resolves when the registry has stopped. */
  readonly finished: Promise<void>;
}

/**
 * Serves content as an OCI registry to every client that can reach the address. Without arguments,
 * the registry is empty, writable and in memory, and listens on a free port of 127.0.0.1: a test
 * suite needs no other program and no container.
 *
 * @param content Content to serve; by default, an empty {@linkcode MemoryRegistryContent}. Writable
 * content accepts pushes, unless `readOnly` is set.
 * @param options Address, TLS, access, limits and hooks.
 * @returns The listening registry. Dispose of it to stop it.
 * @throws {TypeError} If only one of `cert` and `key` is given.
 * @throws {RangeError} If a limit is out of bounds.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example Test a push without another program
 * ```ts
 * import { copy } from "@x/oci";
 * import { parseReference, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using registry = await serveRegistry();
 *
 * await copy("alpine:3.20", `${registry.host}/alpine:1.0`);
 *
 * using client = new RemoteClient();
 * const image = await client.image(parseReference(`${registry.host}/alpine:1.0`));
 * assertEquals(image.config.value.config.Cmd, ["/bin/sh"]);
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
      `Cannot serve over TLS: "cert" and "key" go together, but "${missing}" is missing`,
    );
  }
  signal?.throwIfAborted();
  checkIntegers("serve a registry", { idleTimeoutMs }, 1, MAX_TIMEOUT_MS);
  checkIntegers("serve a registry", { maxConnections }, 1);
  const hostnames = [hostname, ...handling.hostnames ?? []];
  const handler = createRegistryHandler(content, { ...handling, hostnames });
  const server = await startHttpServer(
    { hostname, port, cert, key, idleTimeoutMs, maxConnections },
    handler,
  );
  const stop = () => server.stop();
  // The signal may have been aborted while the server started.
  const aborting = onAbort(signal, stop);
  const finished = server.finished.then(async () => {
    aborting[Symbol.dispose]();
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
