import { proxyVariable } from "./_proxy.ts";
import { redactText, redactUrl } from "./redact.ts";
import { NetworkError, type NetworkFailure } from "../errors.ts";

/** What a server says that speaks TLS, but not with us. */
const ALERT = /received fatal alert/i;

/** How the causes of Deno's `fetch` failures begin to be told apart; there are no codes. */
const REASONS: readonly (readonly [RegExp, NetworkFailure])[] = [
  [/proxy authentication|unsuccessful tunnel|while tunneling|\bsocks/i, "proxy"],
  [ALERT, "certificate"],
  [/dns error|failed to lookup address/i, "name"],
  [/connection refused|actively refused|network (?:is )?unreachable|no route to host/i, "refused"],
  [/InvalidContentType|invalid HTTP version|corrupt message|handshake/i, "protocol"],
  [/certificate|UnknownIssuer|CaUsedAsEndEntity|BadEncoding/i, "certificate"],
  [/ports? [0-9]+ (?:are|is) blocked|invalid header|not a valid/i, "request"],
];

/** Makes a {@linkcode NetworkError} of what `fetch`, or reading its body, failed with. */
export function networkError(
  error: unknown,
  url: URL,
  task: string,
  attempts: number,
): NetworkError {
  const text = redactText(messages(error));
  const reason = REASONS.find(([regexp]) => regexp.test(text))?.[1] ?? "cut";
  return new NetworkError(
    `Cannot ${task}: ${explain(reason, url, text, after(attempts))}`,
    { url: redactUrl(url), reason, attempts },
    { cause: new Error(text) },
  );
}

/** The error for a host that lets one wait. */
export function stallError(
  url: URL,
  task: string,
  attempts: number,
  timeoutMs: number,
): NetworkError {
  const state = `${url.host} sent nothing for ${timeoutMs / 1000} s`;
  return new NetworkError(
    `Cannot ${task}: ${state}${after(attempts)}`,
    { url: redactUrl(url), reason: "stalled", attempts },
  );
}

/** The error for a transfer that ended before its time. */
export function cutError(url: URL, task: string, attempts: number, state: string): NetworkError {
  return new NetworkError(
    `Cannot ${task}: ${state}${after(attempts)}`,
    { url: redactUrl(url), reason: "cut", attempts },
  );
}

/** What is wrong, after how many attempts, and what to do. */
function explain(reason: NetworkFailure, url: URL, text: string, tried: string): string {
  const host = url.host;
  const variable = proxyVariable(url);
  const orProxy = variable === undefined ? "" : `, or the proxy in ${variable}`;
  switch (reason) {
    case "name":
      return `the name "${url.hostname}" has no address${tried}; check it, or the network${orProxy}`;
    case "refused":
      return `nobody answers at ${host}${tried}; check the name and the port${orProxy}`;
    case "proxy":
      return `the proxy ${variable === undefined ? "" : `in ${variable} `}does not connect to ` +
        `${host} (${lastPart(text)})${tried}; check it, or name the host in NO_PROXY`;
    case "protocol":
      return url.protocol === "https:"
        ? `${host} does not speak TLS${tried}; if it is meant to be plain HTTP, use --plain-http`
        : `${host} does not speak plain HTTP${tried}; leave --plain-http out`;
    case "certificate":
      if (ALERT.test(text)) {
        return `${host} does not speak TLS with us (${lastPart(text)})${tried}; if it wants a ` +
          "certificate, give it one with --client-cert and --client-key";
      }
      return `the certificate of ${host} is not trusted (${lastPart(text)})${tried}; give its ` +
        "authority with --ca, trust the system's with DENO_TLS_CA_STORE=system, or run Deno with " +
        `--unsafely-ignore-certificate-errors=${url.hostname}`;
    default:
      return `the connection to ${host} failed (${lastPart(text)})${tried}`;
  }
}

/** Deno prefixes what happened with where, twice. */
function lastPart(text: string): string {
  return text.replace(/^.*client error \([A-Za-z]+\): /s, "").replace(/[\r\n].*$/s, "");
}

function messages(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? messages(error.cause) : error.message;
}

function after(attempts: number): string {
  return attempts > 1 ? ` after ${attempts} attempts` : "";
}
