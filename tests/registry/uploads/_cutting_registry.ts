import { concat } from "../../_support/bytes.ts";
import { serveConnections } from "../../_support/connections.ts";

/** Options for {@linkcode cuttingRegistry}. */
export interface CuttingRegistryOptions {
  /** Whether it stops reading instead of breaking the connection. */
  readonly stalls?: boolean;
}

/** A registry that breaks connections. */
export interface CuttingRegistry extends AsyncDisposable {
  readonly host: string;
  /** Bytes of bodies that it has read. */
  readonly bytes: number;
  /** Connections that it has broken, or has stopped reading. */
  readonly cuts: number;
  /** Whether it has stopped reading a connection, and has no other request yet. */
  readonly isStalled: boolean;
  /** The finished blob. */
  readonly blob: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Serves one upload over bare TCP. Breaks each connection after `cutAfter` bytes of a body, and
 * keeps all of them: `Deno.serve` would lose some received bytes when a connection breaks.
 */
export function cuttingRegistry(
  cutAfter: number,
  { stalls = false }: CuttingRegistryOptions = {},
): CuttingRegistry {
  const end = Promise.withResolvers<void>();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const state = {
    bytes: 0,
    cuts: 0,
    size: 0,
    isStalled: false,
    blob: undefined as Uint8Array<ArrayBuffer> | undefined,
  };

  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = serveConnections(listener, async (connection) => {
    const input = new Input(connection);
    for (;;) {
      const head = await input.line("\r\n\r\n");
      if (head === undefined) return;
      state.isStalled = false;
      const [method = ""] = head.split(" ", 1);
      let left = cutAfter;
      for await (const part of input.body(head)) {
        const kept = part.slice(0, left);
        parts.push(kept);
        left -= kept.length;
        state.bytes += kept.length;
        state.size += kept.length;
        if (left > 0) continue;
        state.cuts++;
        state.isStalled = stalls;
        if (stalls) await end.promise;
        return;
      }
      if (method === "PUT") state.blob = concat(...parts);
      const status = method === "PUT" ? 201 : method === "GET" ? 204 : 202;
      const range = `range: 0-${Math.max(0, state.size - 1)}\r\n`;
      const answer =
        `HTTP/1.1 ${status} x\r\nlocation: /upload\r\n${range}content-length: 0\r\n\r\n`;
      await connection.write(new TextEncoder().encode(answer));
    }
  });

  return {
    host: connections.host,
    get bytes() {
      return state.bytes;
    },
    get cuts() {
      return state.cuts;
    },
    get isStalled() {
      return state.isStalled;
    },
    get blob() {
      return state.blob;
    },
    async [Symbol.asyncDispose]() {
      end.resolve();
      await connections[Symbol.asyncDispose]();
    },
  };
}

/** Bytes of a connection. */
class Input {
  readonly #connection: Deno.Conn;
  #pending = new Uint8Array();

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Reads the text up to `end`; returns `undefined` if the connection ends first. */
  async line(end: string): Promise<string | undefined> {
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#pending.subarray(0, 16_384));
      const at = text.indexOf(end);
      if (at >= 0) {
        this.#pending = this.#pending.slice(at + end.length);
        return text.slice(0, at);
      }
      if (!await this.#more()) return undefined;
    }
  }

  /** Yields the parts of a body, with a length or in chunks, as they arrive. */
  async *body(head: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (!/^transfer-encoding: chunked/im.test(head)) {
      return yield* this.#take(Number(/^content-length: ([0-9]+)/im.exec(head)?.[1] ?? 0));
    }
    for (;;) {
      const size = parseInt(await this.line("\r\n") ?? "0", 16);
      yield* this.#take(size);
      await this.line("\r\n");
      if (size === 0) return;
    }
  }

  async *#take(size: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let left = size; left > 0;) {
      if (this.#pending.length === 0 && !await this.#more()) {
        throw new Deno.errors.UnexpectedEof("the body ends early");
      }
      const part = this.#pending.slice(0, left);
      this.#pending = this.#pending.slice(part.length);
      left -= part.length;
      yield part;
    }
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const read = await this.#connection.read(buffer);
    if (read !== null) this.#pending = concat(this.#pending, buffer.subarray(0, read));
    return read !== null;
  }
}
