import { OLD_VERSION, OLD_VERSION_PROBLEM } from "../http1/certificate_error.ts";
import type { Proxy } from "./_proxy.ts";
import type { Tls } from "./http_request.ts";
import { redactText, redactUrl } from "./redact.ts";
import {
  type CertificateFault,
  NetworkError,
  type NetworkFailure,
  type RequestTask,
} from "../errors.ts";
import { TRICKLE_BYTES } from "./watchdog.ts";

/** A failed request. */
export interface FailedRequest {
  readonly url: URL;
  readonly task: RequestTask;
  readonly attempt: number;
  /**
   * Name of the server, such as `the token server auth.example`.
   *
   * @default The host of the URL.
   */
  readonly server?: string | undefined;
  /** Proxy of the request. */
  readonly proxy?: Proxy | undefined;
  /** Trusted certificates of the request. */
  readonly tls?: Tls | undefined;
}

/** Start of Deno's message about a TLS alert: the server uses TLS but rejects this client. */
const ALERT = /received fatal alert/i;

/** Patterns for the causes of a failed request, because `fetch` reports no codes. */
const REASONS: readonly (readonly [RegExp, NetworkFailure])[] = [
  [/proxy authentication|unsuccessful tunnel|while tunneling|through a proxy|\bsocks/i, "proxy"],
  [ALERT, "certificate"],
  [/dns error|failed to lookup address|ENOTFOUND|EAI_/i, "name"],
  [
    /connection refused|actively refused|network (?:is )?unreachable|no route to host|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/i,
    "refused",
  ],
  [/InvalidContentType|invalid HTTP version|corrupt message|handshake|Parse Error/i, "protocol"],
  [/certificate|UnknownIssuer|CaUsedAsEndEntity|BadEncoding/i, "certificate"],
  [/ports? [0-9]+ (?:are|is) blocked|invalid header|invalid hostname|not a valid/i, "request"],
];

/** Patterns for problems of a certificate. */
const FAULTS: readonly (readonly [RegExp, CertificateFault])[] = [
  [ALERT, "client"],
  [/CaUsedAsEndEntity|self[- ]signed/i, "own-authority"],
  [/expired/i, "expired"],
  [/NotValidYet|not valid yet|not yet valid/i, "not-yet-valid"],
  [/not valid for name|NotValidForName|altnames/i, "wrong-name"],
  [OLD_VERSION, "version"],
];

/** Converts the error of a request or a body to a {@linkcode NetworkError}. */
export function networkError(error: unknown, request: FailedRequest): NetworkError {
  const { url, task, attempt, proxy } = request;
  const text = redactText(messages(error));
  const found = REASONS.find(([regexp]) => regexp.test(text))?.[1] ?? "cut";
  // With a proxy, this client resolves and connects to the proxy only.
  const reason = proxy !== undefined && (found === "name" || found === "refused") ? "proxy" : found;
  const unknown = (request.tls?.caCerts.length ?? 0) > 0 ? "other-authority" : "untrusted";
  const certificate = reason === "certificate"
    ? FAULTS.find(([regexp]) => regexp.test(text))?.[1] ?? unknown
    : undefined;
  const cause = new Error(text);
  return new NetworkError(
    explain(request, { reason, certificate, text }),
    {
      ...task,
      url: redactUrl(url),
      reason,
      certificate,
      attempts: attempt,
      advice: adviceFor(reason, text, proxy),
      retryable: /proxy authentication|through a proxy/i.test(text) ? false : undefined,
    },
    { cause },
  );
}

/** Returns the error for a server that unexpectedly requires TLS, or does not speak it. */
export function protocolError(request: FailedRequest): NetworkError {
  const { url, task, attempt } = request;
  const reason = "protocol";
  return new NetworkError(
    explain(request, { reason, certificate: undefined, text: "" }),
    { ...task, url: redactUrl(url), reason, attempts: attempt },
  );
}

/** Returns the error for a server that sends no data, or too little. */
export function stallError(
  request: FailedRequest,
  timeoutMs: number,
  isTrickle = false,
): NetworkError {
  const { url, task, attempt, proxy } = request;
  const seconds = `${timeoutMs / 1000} s`;
  const sent = isTrickle
    ? `less than ${TRICKLE_BYTES} bytes in ${seconds}`
    : `no data for ${seconds}`;
  const state = `${serverOf(request)} sent ${sent}`;
  const through = proxy && ` through the proxy ${proxy.url} of ${proxy.variable}`;
  return new NetworkError(
    `${state}${through ?? ""}${after(attempt)}`,
    { ...task, url: redactUrl(url), reason: "stalled", attempts: attempt },
  );
}

/** Returns the error for a transfer that ended early. */
export function cutError(
  url: URL,
  task: RequestTask,
  attempts: number,
  state: string,
): NetworkError {
  return new NetworkError(
    `${state}${after(attempts)}`,
    { ...task, url: redactUrl(url), reason: "cut", attempts },
  );
}

interface Failure {
  readonly reason: NetworkFailure;
  readonly certificate: CertificateFault | undefined;
  readonly text: string;
}

/** Describes the failure and the number of attempts. */
function explain(request: FailedRequest, { reason, certificate, text }: Failure): string {
  const { url, attempt } = request;
  const [server, tried] = [serverOf(request), after(attempt)];
  switch (reason) {
    case "name":
      return `cannot resolve the name of ${server}${tried}`;
    case "refused":
      return `connection refused by ${server}${tried}`;
    case "proxy":
      return `${explainProxy(request, text)}${tried}`;
    case "protocol":
      return `${server} does not speak ${url.protocol === "https:" ? "TLS" : "plain HTTP"}${tried}`;
    case "certificate":
      return `${explainCertificate(server, certificate, text)}${tried}`;
    default:
      return `the connection to ${server} failed (${lastPart(text)})${tried}`;
  }
}

function explainProxy(request: FailedRequest, text: string): string {
  const server = serverOf(request);
  const { proxy } = request;
  const name = proxy === undefined ? "the proxy" : `the proxy ${proxy.url} of ${proxy.variable}`;
  if (/proxy authentication/i.test(text)) {
    return proxy?.login === undefined
      ? `${name} requires a login (407)`
      : `${name} rejected the login (407)`;
  }
  const isTunnel = /tunnel|socks|through a proxy/i.test(text);
  return `${name} ${isTunnel ? `cannot connect to ${server}` : "does not respond"} ` +
    `(${lastPart(text)})`;
}

function adviceFor(
  reason: NetworkFailure,
  text: string,
  proxy: Proxy | undefined,
): string | undefined {
  if (reason === "name") return "Check the name and your network";
  if (reason === "refused") return "Check the host and the port";
  if (reason !== "proxy") return undefined;
  const variable = proxy?.variable ?? "HTTPS_PROXY";
  return /proxy authentication/i.test(text)
    ? `Write the login in ${variable}, as in "http://USER:PASSWORD@HOST:PORT"`
    : `Check ${variable}, or add the host to NO_PROXY`;
}

function explainCertificate(
  server: string,
  fault: CertificateFault | undefined,
  text: string,
): string {
  const certificate = `the certificate of ${server}`;
  switch (fault) {
    case "client":
      return `${server} rejected the TLS connection (${lastPart(text)})`;
    case "other-authority":
      return `${certificate} is not signed by any of the given authorities (${lastPart(text)})`;
    case "own-authority":
      return `${certificate} is self-signed and not trusted`;
    case "expired":
      return `${certificate} has expired`;
    case "not-yet-valid":
      return `${certificate} is not valid yet according to the clock of this machine`;
    case "version":
      return `${certificate} ${OLD_VERSION_PROBLEM}`;
    case "wrong-name":
      return `${certificate} is for another name (${lastPart(text)})`;
    default:
      return `${certificate} is not trusted (${lastPart(text)})`;
  }
}

function serverOf({ url, server = url.host }: FailedRequest): string {
  return server;
}

/** Removes the two prefixes that Deno adds to a message. */
function lastPart(text: string): string {
  return text.replace(/^.*client error \([A-Za-z]+\): /s, "")
    .replace(/^invalid peer certificate: /, "").replace(/[\r\n].*$/s, "");
}

function messages(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? messages(error.cause) : error.message;
}

function after(attempts: number): string {
  return attempts > 1 ? ` after ${attempts} attempts` : "";
}
