import { type ErrorFacts, explainedError, problemOf } from "../../spec/error_facts.ts";

/** What certificates in PEM contain. Deno ignores everything else. */
export const CERTIFICATE_MARK = "-----BEGIN CERTIFICATE-----";

/** @throws {TypeError} If one of the certificates is not in PEM. */
export function checkCertificates(certificates: readonly string[]): void {
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
  return explainedError(TypeError, { ...facts, problem: problemOf(cause) }, { cause });
}
