import { openSocket } from "../http1/open_socket.ts";
import { eitherSignal, onAbort } from "../tasks/abortable.ts";
import { startTimer } from "../tasks/timer.ts";
import { parseIp } from "../transport/ip_network.ts";
import { isMetadataAddress } from "../transport/private_address.ts";

/**
 * Timeout for connecting and the response together: a server without TLS may wait for the rest of a
 * request.
 */
const TIMEOUT_MS = 2_000;

/** Types of the records that can begin a response (RFC 8446 section 5.1). */
const ALERT = 21;
const HANDSHAKE = 22;

/** Highest minor version in a record. TLS 1.3 itself sends that of TLS 1.2. */
const MAX_MINOR = 4;

/** Options for {@linkcode speaksTls}. */
export interface SpeaksTlsOptions {
  /** Timeout in milliseconds, if less than the default. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns whether a server answers the start of a TLS handshake, with a trusted certificate or not.
 * Addresses at which clouds serve credentials receive nothing.
 *
 * Sends the first message over a plain connection, because Deno keeps the socket of an abandoned
 * handshake open until the server closes it.
 */
export async function speaksTls(url: URL, options: SpeaksTlsOptions): Promise<boolean> {
  const { timeoutMs, signal } = options;
  const limitMs = Math.min(timeoutMs, TIMEOUT_MS);
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port || 443);
  signal?.throwIfAborted();
  if (isMetadataAddress(hostname)) return false;
  try {
    return await within(limitMs, signal, async (signal) => {
      using connection = await openSocket({ hostname, port, signal });
      if (isMetadataAddress(connection.remoteAddr.hostname)) return false;
      signal.throwIfAborted();
      // The signal of the caller outlives the connection, which cannot be closed twice.
      using _abort = onAbort(signal, () => connection.close());
      await send(connection, clientHello(hostname));
      return await answersWithTls(connection);
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

/** Runs a task whose signal is aborted after a time, or by the caller. */
async function within<T>(
  limitMs: number,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  using _timer = startTimer(limitMs, () => controller.abort());
  return await task(eitherSignal(signal, controller.signal));
}

async function send(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

/** Returns whether a response begins with a record of a handshake, or of an alert. */
async function answersWithTls(connection: Deno.TcpConn): Promise<boolean> {
  const start = new Uint8Array(3);
  for (let size = 0; size < start.length;) {
    const read = await connection.read(start.subarray(size));
    if (read === null) return false;
    size += read;
    const [type = 0, major, minor = 0] = start.subarray(0, size);
    if (type !== HANDSHAKE && type !== ALERT) return false;
    if (size > 1 && major !== 3) return false;
    if (size > 2 && minor > MAX_MINOR) return false;
  }
  return true;
}

/** Numbers of cipher suites of TLS 1.3 and 1.2, for all kinds of certificates. */
const CIPHER_SUITES = [
  ...[0x1301, 0x1302, 0x1303],
  ...[0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014],
  ...[0x009c, 0x009d, 0x002f, 0x0035],
];
/** Numbers of groups: X25519, P-256, P-384 and P-521. */
const GROUPS = [0x001d, 0x0017, 0x0018, 0x0019];
/** Numbers of signature algorithms: ECDSA, EdDSA, RSA-PSS and PKCS #1, from SHA-256 on. */
const SIGNATURES = [
  ...[0x0403, 0x0503, 0x0603, 0x0807, 0x0808],
  ...[0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b],
  ...[0x0401, 0x0501, 0x0601],
];
const TLS_VERSIONS = [0x0304, 0x0303];

/**
 * Returns the first message of a handshake (RFC 8446 section 4.1.2), in a record. The handshake is
 * never completed, so random bytes serve as the key.
 */
function clientHello(hostname: string): Uint8Array<ArrayBuffer> {
  // An IP address is not permitted as a server name (RFC 6066 section 3).
  const name = parseIp(hostname) === undefined ? hostname.replace(/\.$/, "") : "";
  const key = [...uint16(0x001d), ...vector(2, random())];
  const extensions = [
    ...name === "" ? [] : extension(0x0000, vector(2, [0, ...vector(2, ascii(name))])),
    ...extension(0x000a, vector(2, GROUPS.flatMap(uint16))),
    // Uncompressed points.
    ...extension(0x000b, vector(1, [0])),
    ...extension(0x000d, vector(2, SIGNATURES.flatMap(uint16))),
    ...extension(0x0010, vector(2, vector(1, ascii("http/1.1")))),
    // Extended main secret, which some servers require.
    ...extension(0x0017, []),
    ...extension(0x002b, vector(1, TLS_VERSIONS.flatMap(uint16))),
    ...extension(0x0033, vector(2, key)),
    // Secure renegotiation, for TLS 1.2 servers.
    ...extension(0xff01, vector(1, [])),
  ];
  const message = [
    ...uint16(0x0303),
    ...random(),
    // Session ID: some middleboxes block TLS 1.3 without one.
    ...vector(1, random()),
    ...vector(2, CIPHER_SUITES.flatMap(uint16)),
    // No compression.
    ...vector(1, [0]),
    ...vector(2, extensions),
  ];
  return Uint8Array.from([HANDSHAKE, 3, 1, ...vector(2, [1, ...vector(3, message)])]);
}

function extension(type: number, data: readonly number[]): readonly number[] {
  return [...uint16(type), ...vector(2, data)];
}

/** Prefixes bytes with their number, encoded in `size` bytes (RFC 8446 section 3.4). */
function vector(size: number, bytes: readonly number[]): readonly number[] {
  const { length } = bytes;
  return [...[length >> 16, length >> 8, length].slice(3 - size), ...bytes];
}

function uint16(value: number): readonly number[] {
  return [value >> 8, value & 0xff];
}

function random(): readonly number[] {
  return [...crypto.getRandomValues(new Uint8Array(32))];
}

function ascii(text: string): readonly number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}
