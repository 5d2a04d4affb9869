import { type ErrorFacts, explainedError, problemOf } from "../../spec/error_facts.ts";
import type { ClientCertificate } from "../credentials.ts";

/** Start of a certificate in PEM. Deno ignores everything else. */
export const CERTIFICATE_MARK = "-----BEGIN CERTIFICATE-----";

/** Mark of a private key with a password, which Deno cannot read, in PEM. */
export const ENCRYPTED_KEY: RegExp = /\bENCRYPTED\b/;

/** Deno's message about a certificate of X.509 version 1. */
export const OLD_VERSION: RegExp = /UnsupportedCertVersion/;
/** What is wrong with such a certificate. */
export const OLD_VERSION_PROBLEM = "has X.509 version 1, which Deno does not support";

/** @throws {TypeError} If one of the certificates is not in PEM, or the client's lacks its key. */
export function checkCertificates(
  authorities: readonly string[],
  client?: ClientCertificate,
): void {
  if (client !== undefined && !(client.cert && client.key)) {
    throw certificateError("a client certificate needs both a certificate and a key");
  }
  const certificates = client === undefined ? authorities : [...authorities, client.cert];
  if (certificates.every((text) => text.includes(CERTIFICATE_MARK))) return;
  throw explainedError(TypeError, {
    code: "invalid-argument",
    action: "use the certificates",
    problem: `one of them does not contain "${CERTIFICATE_MARK}"`,
    advice: "Use certificates in PEM format",
  });
}

/** Creates the error for certificates or a key that cannot be used. */
export function certificateError(cause: unknown): TypeError & ErrorFacts {
  const facts = { code: "invalid-argument", action: "use the certificates" } as const;
  const problem = problemOf(cause);
  if (!OLD_VERSION.test(problem)) {
    return explainedError(TypeError, { ...facts, problem }, { cause });
  }
  return explainedError(TypeError, {
    ...facts,
    problem: `one of them ${OLD_VERSION_PROBLEM}`,
    advice: 'Issue it with version 3, as "openssl x509" does with -extfile',
  }, { cause });
}
