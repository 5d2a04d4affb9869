/** Statuses of responses without a body. */
const BODILESS_STATUSES = [204, 304];
/** Names of headers: tokens of RFC 9110 section 5.6.2. */
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
/** Characters that a header must not contain: control characters, except tabs. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/** The head of a response. */
export interface ResponseHead {
  /** Minor version of HTTP/1. */
  readonly version: string;
  readonly status: number;
  readonly headers: Headers;
}

/** How a body is delimited (RFC 9112 section 6.3). */
export interface BodyFraming {
  /** Number of bytes; `Infinity` if the end of the connection ends the body. 0 for chunks. */
  readonly length: number;
  readonly isChunked: boolean;
  /** Whether the connection can be reused after the body. */
  readonly isPersistent: boolean;
}

/**
 * Parses the head of a response.
 *
 * @throws {Error} If it is invalid. `networkError()` recognizes the message about another version.
 */
export function parseHead([first = "", ...lines]: readonly string[]): ResponseHead {
  const [, version, rest = ""] = /^HTTP\/1\.([01]) (.*)$/.exec(first) ?? [];
  if (version === undefined) throw new Error("invalid HTTP version in the response");
  // Clients treat statuses above 599 like 5xx (RFC 9110 section 15).
  const [, digits] = /^([1-9][0-9]{2})(?: |$)/.exec(rest) ?? [];
  // 101 switches to another protocol, which no request asks for.
  if (digits === undefined || digits === "101") {
    throw new Error("invalid status in the HTTP response");
  }
  return { version, status: Number(digits), headers: parseHeaders(lines) };
}

/** Parses the lines of headers or trailers. Joins the lines of a folded header. */
export function parseHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  const whole: string[] = [];
  for (const line of lines) {
    // Obsolete, but clients must accept it (RFC 9112 section 5.2).
    if (isBlank(line[0]) && whole.length > 0) whole.push(`${whole.pop()} ${trimmed(line)}`);
    else whole.push(line);
  }
  for (const line of whole) {
    const colon = line.indexOf(":");
    // Proxies must remove blanks before the colon, so clients may too (RFC 9112 section 5.1).
    const name = isBlank(line[0]) ? "" : trimmed(line.slice(0, Math.max(colon, 0)));
    const value = trimmed(line.slice(colon + 1));
    if (!NAME.test(name) || CONTROL.test(value)) {
      throw new Error("invalid line in the headers of the HTTP response");
    }
    headers.append(name, value);
  }
  return headers;
}

/**
 * Determines how the body is delimited. Merges repeated `Content-Length` headers, and removes one
 * that does not apply.
 *
 * @throws {Error} If the length is invalid, or the body has an unsupported coding.
 */
export function findFraming(
  { version, status, headers }: ResponseHead,
  method: string,
): BodyFraming {
  const hasBody = method !== "HEAD" && !BODILESS_STATUSES.includes(status);
  const codings = listOf(headers, "transfer-encoding");
  const options = listOf(headers, "connection");
  const canPersist = version === "1" && !options.includes("close");
  const isChunked = codings.includes("chunked");
  if (!hasBody) {
    const length = contentLength(headers);
    if (length !== undefined && !Number.isNaN(length)) headers.set("content-length", `${length}`);
    return { length: 0, isChunked: false, isPersistent: canPersist };
  }
  if (isChunked) {
    if (codings.length > 1 || version === "0") throw unsupportedCoding();
    // With both headers, it is uncertain where the next response begins.
    const isPersistent = canPersist && !headers.has("content-length");
    headers.delete("content-length");
    return { length: 0, isChunked, isPersistent };
  }
  // Obsolete servers send "identity".
  if (codings.some((coding) => coding !== "identity")) throw unsupportedCoding();
  const length = contentLength(headers);
  if (length === undefined) return { length: Infinity, isChunked, isPersistent: false };
  if (Number.isNaN(length)) throw new Error("invalid Content-Length in the HTTP response");
  headers.set("content-length", `${length}`);
  return { length, isChunked, isPersistent: canPersist && codings.length === 0 };
}

/** Trims a value. `Headers` takes seconds to do so if there are many blanks inside the value. */
function trimmed(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isBlank(value[start])) start++;
  while (start < end && isBlank(value[end - 1])) end--;
  return value.slice(start, end);
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t";
}

/** Returns the length of the body; `NaN` if it is invalid. */
function contentLength(headers: Headers): number | undefined {
  const header = headers.get("content-length");
  if (header === null) return undefined;
  // Headers of the same name are joined with commas.
  const [length = "", ...others] = new Set(header.split(",").map((text) => text.trim()));
  const isValid = /^[0-9]+$/.test(length) && Number.isSafeInteger(Number(length));
  return isValid && others.length === 0 ? Number(length) : NaN;
}

function listOf(headers: Headers, name: string): readonly string[] {
  const items = headers.get(name)?.toLowerCase().split(",") ?? [];
  return items.map((item) => item.trim()).filter((item) => item !== "");
}

function unsupportedCoding(): Error {
  return new Error("unsupported Transfer-Encoding in the HTTP response");
}
