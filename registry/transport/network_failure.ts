import type { CertificateFault, NetworkErrorFields, NetworkFailure } from "../error_fields.ts";
import { NetworkError } from "../errors.ts";
import { OLD_VERSION, OLD_VERSION_PROBLEM } from "../http1/certificate_error.ts";
import type { Proxy } from "./_proxy.ts";
import { TRICKLE_BYTES } from "./_watchdog.ts";
import type { HttpRequest } from "./http_request.ts";
import { redactText, redactUrl } from "./redact.ts";

/** A failed request. */
export interface FailedRequest
  extends
    Pick<HttpRequest, "url" | "task" | "attempt" | "server">,
    Partial<Pick<HttpRequest, "tls">> {
  /** Proxy of the request. */
  readonly proxy?: Proxy | undefined;
}

/** Start of Deno's message about a TLS alert: the server uses TLS but rejects this client. */
const ALERT = /received fatal alert/i;

/** Messages about an address to which no route leads, as without a network, or none in time. */
const UNREACHABLE =
  /network (?:is )?unreachable|no route to host|EHOSTUNREACH|ENETUNREACH|no connection after/i;

/** Patterns for the causes of a failed request, because `fetch` reports no codes. */
const REASONS: readonly (readonly [RegExp, NetworkFailure])[] = [
  [
    /proxy authentication|unsuccessful tunnel|while tunneling|through a proxy|proxy server|\bsocks/i,
    "proxy",
  ],
  [ALERT, "certificate"],
  [/dns error|failed to lookup address|ENOTFOUND|EAI_/i, "name"],
  [UNREACHABLE, "refused"],
  [/connection refused|actively refused|ECONNREFUSED/i, "refused"],
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

/** What is wrong with the certificate of a server. */
const CERTIFICATE_PROBLEMS: Readonly<Record<Exclude<CertificateFault, "client">, string>> = {
  "untrusted": "is not trusted",
  "other-authority": "is not signed by any of the given authorities",
  "own-authority": "is self-signed and not trusted",
  "expired": "has expired",
  "not-yet-valid": "is not valid yet according to the clock of this machine",
  "wrong-name": "is for another name",
  "version": OLD_VERSION_PROBLEM,
};

/** Faults about which the message of Deno says more. */
const DETAILED_FAULTS: readonly CertificateFault[] = ["untrusted", "other-authority", "wrong-name"];

/** Faults for which another trusted certificate is the remedy. */
const AUTHORITY_FAULTS: readonly CertificateFault[] = [
  "untrusted",
  "other-authority",
  "own-authority",
];

/** Converts the error of a request or a body to a {@linkcode NetworkError}. */
export function networkError(error: unknown, request: FailedRequest): NetworkError {
  const { proxy } = request;
  const text = redactText(messages(error));
  const found = REASONS.find(([regexp]) => regexp.test(text))?.[1] ?? "cut";
  // With a proxy, this client resolves and connects to the proxy only.
  const reason = proxy !== undefined && (found === "name" || found === "refused") ? "proxy" : found;
  const unknown = (request.tls?.caCerts.length ?? 0) > 0 ? "other-authority" : "untrusted";
  const certificate = reason === "certificate"
    ? FAULTS.find(([regexp]) => regexp.test(text))?.[1] ?? unknown
    : undefined;
  const isFinal = /proxy authentication|through a proxy/i.test(text);
  return failure(request, reason, explain(request, { reason, certificate, text }), {
    certificate,
    advice: adviceFor(reason, text, proxy),
    retryable: isFinal ? false : undefined,
  }, { cause: new Error(text) });
}

/** Returns the error for a server that answered a TLS handshake, but is used without TLS. */
export function protocolError(request: FailedRequest): NetworkError {
  const problem = explain(request, { reason: "protocol", text: "" });
  return failure(request, "protocol", problem, { retryable: false });
}

/** Returns the error for a server that sends no data, or too little. */
export function stallError(
  request: FailedRequest,
  timeoutMs: number,
  isTrickle = false,
): NetworkError {
  const { proxy } = request;
  const seconds = `${timeoutMs / 1000} s`;
  const sent = isTrickle
    ? `less than ${TRICKLE_BYTES} bytes in ${seconds}`
    : `no data for ${seconds}`;
  const through = proxy && ` through the proxy ${proxy.url} of ${proxy.variable}`;
  return failure(request, "stalled", `${serverOf(request)} sent ${sent}${through ?? ""}`);
}

/** Returns the error for a transfer that ended early. */
export function cutError(request: FailedRequest, state: string): NetworkError {
  return failure(request, "cut", state);
}

/** Creates the error for a failed request, with the number of attempts. */
function failure(
  { url, task, attempt }: FailedRequest,
  reason: NetworkFailure,
  problem: string,
  fields: Partial<NetworkErrorFields> = {},
  options?: ErrorOptions,
): NetworkError {
  const tried = attempt > 1 ? ` after ${attempt} attempts` : "";
  const common = { ...task, url: redactUrl(url), reason, attempts: attempt };
  return new NetworkError(`${problem}${tried}`, { ...common, ...fields }, options);
}

interface Failure {
  readonly reason: NetworkFailure;
  /** Problem of the certificate, if that is the reason. */
  readonly certificate?: CertificateFault | undefined;
  /** Message of Deno. */
  readonly text: string;
}

/** Describes the failure. */
function explain(
  request: FailedRequest,
  { reason, certificate = "untrusted", text }: Failure,
): string {
  const server = serverOf(request);
  switch (reason) {
    case "name":
      return `cannot resolve the name of ${server}`;
    case "refused":
      if (!UNREACHABLE.test(text)) return `connection refused by ${server}`;
      return `${server} is unreachable${text.startsWith("no connection") ? ` (${text})` : ""}`;
    case "proxy":
      return explainProxy(request, text);
    case "protocol":
      return `${tlsPeerOf(request)} does not speak ${usesTls(request) ? "TLS" : "plain HTTP"}`;
    case "certificate":
      return explainCertificate(tlsPeerOf(request), certificate, text, request.tls?.skipped);
    default:
      return `the connection to ${server} failed (${lastPart(text)})`;
  }
}

function explainProxy(request: FailedRequest, text: string): string {
  const server = serverOf(request);
  const { proxy } = request;
  const name = nameOf(proxy);
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
  if (reason === "refused") {
    return UNREACHABLE.test(text)
      ? "Check the host and your network"
      : "Check the host and the port";
  }
  const variable = proxy?.variable ?? "HTTPS_PROXY";
  if (reason === "protocol" && isTlsProxy(proxy)) {
    return `If the proxy is meant to be plain HTTP, write "http://" in ${variable}`;
  }
  if (reason !== "proxy") return undefined;
  return /proxy authentication/i.test(text)
    ? `Write the login in ${variable}, as in "http://USER:PASSWORD@HOST:PORT"`
    : `Check ${variable}, or add the host to NO_PROXY`;
}

function explainCertificate(
  server: string,
  fault: CertificateFault,
  text: string,
  skipped: readonly string[] = [],
): string {
  const cause = lastPart(text);
  if (fault === "client") {
    return `${server} rejected the TLS connection (${[cause, ...skipped].join(", ")})`;
  }
  const details = [
    ...DETAILED_FAULTS.includes(fault) ? [cause] : [],
    ...AUTHORITY_FAULTS.includes(fault) ? skipped : [],
  ];
  const detail = details.length === 0 ? "" : ` (${details.join(", ")})`;
  return `the certificate of ${server} ${CERTIFICATE_PROBLEMS[fault]}${detail}`;
}

function serverOf({ url, server = url.host }: FailedRequest): string {
  return server;
}

/**
 * Names the server of a failed TLS handshake. Deno's message does not tell a proxy from the server
 * behind it.
 */
function tlsPeerOf(request: FailedRequest): string {
  const { url, proxy } = request;
  if (!isTlsProxy(proxy)) return serverOf(request);
  return url.protocol === "https:" ? `${nameOf(proxy)} or ${serverOf(request)}` : nameOf(proxy);
}

function usesTls({ url, proxy }: FailedRequest): boolean {
  return url.protocol === "https:" || isTlsProxy(proxy);
}

function isTlsProxy(proxy: Proxy | undefined): boolean {
  return proxy?.url.startsWith("https:") === true;
}

function nameOf(proxy: Proxy | undefined): string {
  return proxy === undefined ? "the proxy" : `the proxy ${proxy.url} of ${proxy.variable}`;
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
