import type { ConnectionTarget } from "./_connect.ts";
import {
  type ConnectionRequest,
  type ConnectionResponse,
  HttpConnection,
} from "./http_connection.ts";

/** Methods of requests that can be repeated. */
const SAFE_METHODS = ["GET", "HEAD"];

interface IdleConnection {
  readonly connection: HttpConnection;
  readonly since: number;
}

/** A request, and where to send it. */
export interface PoolRequest
  extends
    ConnectionRequest,
    Pick<ConnectionTarget, "onConnect" | "onHandshakeAbort" | "dialTimeoutMs"> {
  /** Address to connect to instead of the name in the URL. */
  readonly address?: string | undefined;
  /** Additional trusted certificates, in PEM. */
  readonly caCerts?: readonly string[] | undefined;
}

/** Options for {@linkcode ConnectionPool}. */
export interface ConnectionPoolOptions {
  /**
   * Maximum time to keep an idle connection, in milliseconds. Servers close it some time later.
   *
   * @default {15_000}
   */
  readonly maxIdleMs?: number | undefined;
}

/**
 * Reusable connections to servers.
 *
 * `fetch` takes as long to load as all requests for a small image, copies each byte three times,
 * and cannot send a streamed body with its length.
 */
export class ConnectionPool implements Disposable {
  readonly #maxIdleMs: number;
  readonly #idle = new Map<string, IdleConnection[]>();
  #isDisposed = false;

  constructor({ maxIdleMs = 15_000 }: ConnectionPoolOptions = {}) {
    this.#maxIdleMs = maxIdleMs;
  }

  /** Sends a request over an idle connection, or over a new one. */
  async send(request: PoolRequest): Promise<ConnectionResponse> {
    const { signal, method } = request;
    const target = targetOf(request);
    const { hostname, port, tls } = target;
    const key = JSON.stringify([hostname, port, tls]);
    const send = (connection: HttpConnection) =>
      connection.send(request, () => this.#release(key, connection));
    const free = this.#take(key);
    if (free !== undefined) {
      try {
        return await send(free);
      } catch (error) {
        // The server closed it at the same time, but may have processed the request before that.
        if (signal.aborted || free.hasResponded || !SAFE_METHODS.includes(method)) throw error;
      }
    }
    return await send(await HttpConnection.open(target));
  }

  /** Closes the idle connections. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const { connection } of [...this.#idle.values()].flat()) connection[Symbol.dispose]();
    this.#idle.clear();
  }

  #take(key: string): HttpConnection | undefined {
    const idle = this.#idle.get(key) ?? [];
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      const { connection } = last;
      if (this.#isUsable(last)) {
        connection.ref();
        return connection;
      }
      connection[Symbol.dispose]();
    }
    return undefined;
  }

  #release(key: string, connection: HttpConnection): void {
    // The server may have sent more than the response.
    if (this.#isDisposed || !connection.isIdle) return connection[Symbol.dispose]();
    connection.unref();
    this.#sweep();
    this.#idle.getOrInsertComputed(key, () => []).push({ connection, since: performance.now() });
  }

  /** Closes the idle connections to any host that can no longer be used. */
  #sweep(): void {
    for (const [key, idle] of this.#idle) {
      const usable = idle.filter((entry) => this.#isUsable(entry));
      if (usable.length === idle.length && idle.length > 0) continue;
      for (const entry of idle) if (!usable.includes(entry)) entry.connection[Symbol.dispose]();
      if (usable.length === 0) this.#idle.delete(key);
      else this.#idle.set(key, usable);
    }
  }

  #isUsable({ connection, since }: IdleConnection): boolean {
    return connection.isIdle && performance.now() - since < this.#maxIdleMs;
  }
}

function targetOf({ url, address, caCerts = [], ...rest }: PoolRequest): ConnectionTarget {
  const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const isTls = url.protocol === "https:";
  return {
    hostname: address ?? name,
    port: Number(url.port || (isTls ? 443 : 80)),
    tls: isTls ? { name, caCerts } : undefined,
    signal: rest.signal,
    onConnect: rest.onConnect,
    onHandshakeAbort: rest.onHandshakeAbort,
    dialTimeoutMs: rest.dialTimeoutMs,
  };
}
