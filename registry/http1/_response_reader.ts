import { findFraming, parseHead, parseHeaders, type ResponseHead } from "./_response_head.ts";

/** Size of the buffer for heads, which also receives the first bytes of a body. */
const BUFFER_BYTES = 16 * 1024;
/** Maximum size of a head including preceding interim responses, and of the trailers of a body. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Maximum length of the size line of a chunk. */
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** Start of every response. */
const START = "HTTP/1.";

/** Reads the responses of an HTTP/1 server, one after another. */
export class ResponseReader {
  readonly #read: (memory: Uint8Array<ArrayBuffer>) => Promise<number | null>;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Bytes that have arrived but have not been read yet. */
  #pending: Uint8Array<ArrayBuffer> = new Uint8Array();
  /** Bytes left in the body or chunk; `Infinity` if the end of the connection ends the body. */
  #left = 0;
  #isChunked = false;
  /** Whether a chunk has been read. A line break follows it. */
  #isAfterChunk = false;
  #isPersistent = false;
  /** Whether bytes of the next response have arrived. */
  #hasBegun = false;

  /** Creates the reader of a connection. `read` returns `null` at its end. */
  constructor(read: (memory: Uint8Array<ArrayBuffer>) => Promise<number | null>) {
    this.#read = read;
  }

  /** Whether bytes have arrived after the last body. Without a request, they are no response. */
  get hasBegun(): boolean {
    return this.#hasBegun || this.#pending.length > 0;
  }

  /** Whether the body has been read to its end. */
  get isAtEnd(): boolean {
    return this.#left === 0 && !this.#isChunked;
  }

  /** Whether the connection can be reused after the body. */
  get isPersistent(): boolean {
    return this.#isPersistent;
  }

  /** Reads the head of the next final response. Skips interim responses, such as 100 and 103. */
  async head(): Promise<ResponseHead> {
    this.#hasBegun = this.#pending.length > 0;
    for (let left = MAX_HEAD_BYTES;;) {
      // Some servers send an empty line after a body.
      const first = await this.#line(left, START);
      left -= first.length + 1;
      if (isEmpty(first)) continue;
      const lines = await this.#lines(left);
      const head = parseHead([withoutEnd(first), ...lines]);
      if (head.status >= 200) return head;
      left -= lines.reduce((size, line) => size + line.length + 1, 1);
    }
  }

  /** Begins the body after a head. */
  begin(head: ResponseHead, method: string): void {
    const { length, isChunked, isPersistent } = findFraming(head, method);
    this.#left = length;
    this.#isChunked = isChunked;
    this.#isAfterChunk = false;
    this.#isPersistent = isPersistent;
    this.#hasBegun = false;
  }

  /** Reads the next bytes of the body into `memory`, or `undefined` at its end. */
  async body(memory: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isChunked && this.#left === 0) await this.#nextChunk();
    if (this.#left === 0) return undefined;
    const size = await this.#take(memory);
    if (size !== null) return memory.subarray(0, size);
    if (this.#left !== Infinity) throw cut();
    this.#left = 0;
    return undefined;
  }

  async #nextChunk(): Promise<void> {
    if (this.#isAfterChunk && await this.#chunkLine(1) !== "\r") throw invalidChunk();
    const size = parseChunkSize(await this.#chunkLine(MAX_CHUNK_LINE_BYTES));
    if (size === undefined) throw invalidChunk();
    this.#left = size;
    this.#isAfterChunk = true;
    if (this.#left > 0) return;
    // Nothing needs the trailers, but they must be valid.
    parseHeaders(await this.#lines(MAX_HEAD_BYTES));
    this.#isChunked = false;
    this.#hasBegun = false;
  }

  async #chunkLine(maxBytes: number): Promise<string> {
    return await this.#line(maxBytes, "", invalidChunk);
  }

  /** Reads lines up to an empty one, and returns them without their ends. */
  async #lines(maxBytes: number): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let left = maxBytes;;) {
      const line = await this.#line(left);
      if (isEmpty(line)) return lines;
      left -= line.length + 1;
      lines.push(withoutEnd(line));
    }
  }

  /**
   * Reads a line and returns it without its line feed.
   *
   * @param maxBytes Maximum size.
   * @param start Required start, unless the line is empty. It is checked before the line is
   * complete, because a server of another protocol may never send a line feed.
   * @param tooLong Creates the error for a line that is longer.
   */
  async #line(maxBytes: number, start = "", tooLong = longHead): Promise<string> {
    for (;;) {
      if (!isLike(this.#pending, start)) throw new Error("invalid HTTP version in the response");
      const end = this.#pending.indexOf(10);
      if (end > maxBytes || (end < 0 && this.#pending.length > maxBytes)) throw tooLong();
      if (end >= 0) {
        const line = latin1(this.#pending.subarray(0, end));
        this.#pending = this.#pending.subarray(end + 1);
        return line;
      }
      const before = this.#pending.slice();
      const size = await this.#read(this.#buffer);
      if (size === null) throw cut();
      this.#hasBegun = true;
      this.#pending = new Uint8Array(before.length + size);
      this.#pending.set(before);
      this.#pending.set(this.#buffer.subarray(0, size), before.length);
    }
  }

  /** Reads bytes of the body into `memory`; returns their number, or `null` at the end. */
  async #take(memory: Uint8Array<ArrayBuffer>): Promise<number | null> {
    const max = Math.min(memory.length, this.#left);
    if (this.#pending.length > 0) {
      const bytes = this.#pending.subarray(0, max);
      memory.set(bytes);
      this.#pending = this.#pending.subarray(bytes.length);
      this.#left -= bytes.length;
      return bytes.length;
    }
    // Reading beyond the body shows whether the server sends more.
    const size = await this.#read(memory);
    if (size === null) return null;
    const taken = Math.min(size, max);
    this.#left -= taken;
    return size === taken ? taken : this.#joinChunks(memory.subarray(0, size), taken);
  }

  /**
   * Joins the data of the chunks in `bytes`.
   *
   * @param bytes Received bytes. Those after the data are kept for the next read.
   * @param size Number of bytes of the body, or of the current chunk, at the start.
   * @returns Number of bytes of data.
   */
  #joinChunks(bytes: Uint8Array<ArrayBuffer>, size: number): number {
    let [filled, offset] = [size, size];
    while (this.#isChunked && this.#left === 0) {
      const next = findChunk(bytes, offset);
      // Trailers follow the last chunk.
      if (next === undefined || next.size === 0) break;
      const { start } = next;
      const end = Math.min(start + next.size, bytes.length);
      bytes.copyWithin(filled, start, end);
      filled += end - start;
      offset = end;
      this.#left = start + next.size - end;
    }
    this.#pending = bytes.slice(offset);
    return filled;
  }
}

/** Finds the next chunk, if its size line is complete and valid. */
function findChunk(
  bytes: Uint8Array,
  offset: number,
): { readonly start: number; readonly size: number } | undefined {
  if (bytes[offset] !== 13 || bytes[offset + 1] !== 10) return undefined;
  const end = bytes.subarray(offset + 2, offset + 2 + MAX_CHUNK_LINE_BYTES).indexOf(10);
  if (end < 0) return undefined;
  const size = parseChunkSize(latin1(bytes.subarray(offset + 2, offset + 2 + end)));
  return size === undefined ? undefined : { start: offset + 2 + end + 1, size };
}

/** Parses the size line of a chunk, without its line feed. */
function parseChunkSize(line: string): number | undefined {
  const digits = /^0*([0-9a-f]{1,12})[ \t]*(?:;.*)?\r$/i.exec(line)?.[1];
  return digits === undefined ? undefined : parseInt(digits, 16);
}

/** Returns whether a line is empty, except for its end. */
function isEmpty(line: string): boolean {
  return line === "" || line === "\r";
}

function withoutEnd(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** Returns whether bytes may be the beginning of an empty line, or of a line with a start. */
function isLike(bytes: Uint8Array, start: string): boolean {
  if (bytes[0] === 13 || bytes[0] === 10) return true;
  return latin1(bytes.subarray(0, start.length)) === start.slice(0, bytes.length);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Creates the error for a connection that ends before a response does. */
export function cut(): Error {
  return new Error("connection closed before message completed");
}

function longHead(): Error {
  return new Error("the head of the HTTP response is too large");
}

function invalidChunk(): Error {
  return new Error("invalid chunk in the HTTP response");
}
