/** Size of the buffer for heads, which also takes the first bytes of a body. */
const BUFFER_BYTES = 16 * 1024;
/** Maximum size of a head, and of the trailers of a body. */
const MAX_HEAD_BYTES = 64 * 1024;
/** Maximum size of the line before a chunk. */
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** Statuses of responses without a body. */
const NULL_BODY_STATUSES = [204, 205, 304];

/** The head of a response. */
export interface ResponseHead {
  /** Minor version of HTTP/1. */
  readonly version: string;
  readonly status: number;
  readonly headers: Headers;
}

/** Reads the responses of an HTTP/1 server, one after another. */
export class ResponseReader {
  readonly #read: (memory: Uint8Array<ArrayBuffer>) => Promise<number | null>;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Bytes that have arrived and are not read yet. */
  #pending: Uint8Array<ArrayBuffer> = new Uint8Array();
  /** Bytes left of the body, or of the chunk; `Infinity` if the connection ends the body. */
  #left = 0;
  #isChunked = false;
  /** Whether a chunk has been read, after which there is an empty line. */
  #isAfterChunk = false;
  #isPersistent = false;

  /** Creates the reader of a connection. `read` returns `null` at its end. */
  constructor(read: (memory: Uint8Array<ArrayBuffer>) => Promise<number | null>) {
    this.#read = read;
  }

  /** Whether bytes have arrived that belong to no request. */
  get hasSurplus(): boolean {
    return this.#pending.length > 0;
  }

  /** Whether the body has been read to its end. */
  get isAtEnd(): boolean {
    return this.#left === 0 && !this.#isChunked;
  }

  /** Whether the connection takes another request after the body. */
  get isPersistent(): boolean {
    return this.#isPersistent;
  }

  /** Reads the head of the next response that is not preliminary, such as 100 and 103. */
  async head(): Promise<ResponseHead> {
    for (;;) {
      const head = parseHead(await this.#lines());
      if (head.status >= 200) return head;
    }
  }

  /** Begins the body after a head. */
  begin({ version, status, headers }: ResponseHead, method: string): void {
    const length = contentLength(headers);
    const coding = headers.get("transfer-encoding")?.toLowerCase();
    const hasBody = method !== "HEAD" && !NULL_BODY_STATUSES.includes(status);
    this.#isChunked = hasBody && coding === "chunked";
    this.#isAfterChunk = false;
    this.#left = !hasBody || this.#isChunked
      ? 0
      : (coding === undefined ? length : undefined) ?? Infinity;
    const options = headers.get("connection")?.toLowerCase().split(/[\s,]+/) ?? [];
    // With both headers, it is uncertain where the next response begins.
    const isClear = coding === undefined || length === undefined;
    this.#isPersistent = version === "1" && !options.includes("close") &&
      this.#left !== Infinity && isClear;
  }

  /** Reads the next bytes of the body into `memory`, or `undefined` at its end. */
  async body(memory: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#isChunked && this.#left === 0) await this.#nextChunk();
    if (this.#left === 0) return undefined;
    const size = await this.#take(memory.subarray(0, Math.min(memory.length, this.#left)));
    if (size === null) {
      if (this.#left !== Infinity) throw cut();
      this.#left = 0;
      return undefined;
    }
    this.#left -= size;
    return memory.subarray(0, size);
  }

  async #nextChunk(): Promise<void> {
    const isValid = !this.#isAfterChunk || await this.#line(2) === "";
    const line = await this.#line(MAX_CHUNK_LINE_BYTES);
    const digits = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
    if (!isValid || digits === undefined) throw new Error("invalid chunk in the HTTP response");
    this.#left = parseInt(digits, 16);
    this.#isAfterChunk = true;
    if (this.#left > 0) return;
    // The trailers.
    await this.#lines();
    this.#isChunked = false;
  }

  /** Reads lines up to an empty one. */
  async #lines(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let left = MAX_HEAD_BYTES;;) {
      const line = await this.#line(left);
      if (line === "") return lines;
      left -= line.length;
      lines.push(line);
    }
  }

  /** Reads a line and returns it without its end. */
  async #line(maxBytes: number): Promise<string> {
    for (;;) {
      const end = this.#pending.indexOf(10);
      if (end > maxBytes || (end < 0 && this.#pending.length > maxBytes)) {
        throw new Error("too long a head or a line in the HTTP response");
      }
      if (end >= 0) {
        const line = latin1(this.#pending.subarray(0, end));
        this.#pending = this.#pending.subarray(end + 1);
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      const before = this.#pending.slice();
      const size = await this.#read(this.#buffer);
      if (size === null) throw cut();
      this.#pending = new Uint8Array(before.length + size);
      this.#pending.set(before);
      this.#pending.set(this.#buffer.subarray(0, size), before.length);
    }
  }

  /** Reads the next bytes into `memory`; returns their number, or `null` at the end. */
  async #take(memory: Uint8Array<ArrayBuffer>): Promise<number | null> {
    if (!this.hasSurplus) return await this.#read(memory);
    const bytes = this.#pending.subarray(0, memory.length);
    memory.set(bytes);
    this.#pending = this.#pending.subarray(bytes.length);
    return bytes.length;
  }
}

function parseHead([first = "", ...lines]: readonly string[]): ResponseHead {
  const [, version, digits] = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: |$)/.exec(first) ?? [];
  const status = Number(digits);
  // 101 would change the protocol, which no request asks for.
  if (version === undefined || status === 101) {
    throw new Error("invalid HTTP version or status in the response");
  }
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value = ""] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) throw new Error("invalid header in the HTTP response");
    headers.append(name, value);
  }
  return { version, status, headers };
}

function contentLength(headers: Headers): number | undefined {
  const header = headers.get("content-length");
  if (header === null) return undefined;
  // Headers of the same name are joined with commas.
  const [length = "", ...others] = new Set(header.split(",").map((text) => text.trim()));
  if (!/^[0-9]{1,15}$/.test(length) || others.length > 0) {
    throw new Error("invalid Content-Length in the HTTP response");
  }
  return Number(length);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function cut(): Error {
  return new Error("connection closed before message completed");
}
