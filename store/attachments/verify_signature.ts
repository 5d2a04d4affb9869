import { problemOf } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { SignatureError } from "../errors.ts";
import { NetworkFailures } from "./_network_failures.ts";
import {
  MAX_SIGNATURES,
  referringSignatures,
  type Signature,
  type SignedDocument,
  taggedSignatures,
} from "./_signatures.ts";
import type { AttachmentSource } from "./attachment_source.ts";
import { keyVerifier } from "./key_verifier.ts";
import type { TrustedSigner } from "./trusted_signer.ts";

export type { SignedDocument };

/** Options for {@linkcode verifySignature}. */
export interface VerifySignatureOptions {
  /**
   * Name of the image for errors.
   *
   * By default, its digest.
   */
  readonly name?: string | undefined;
  /**
   * Whether a pull policy restricted the lookup to the store, for errors.
   *
   * @default {false}
   */
  readonly isStoredOnly?: boolean | undefined;
  /** Aborts the reads. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Verifies that a signer has signed an image: its digest, and thus all of its content. Reads what
 * `cosign sign` writes: signatures under the tag `sha256-HEX.sig`, and sigstore bundles that refer
 * to the image. As in cosign, a signed attestation counts, and the name in a signature does not.
 *
 * @param sources Places where signatures are looked up, in order.
 * @param document The index or manifest that the reference of the image stands for.
 * @param signer The signer.
 * @param options Name of the image and signal.
 * @throws {SignatureError} If no signature is valid.
 * @throws {SyntaxError} If the key of the signer is invalid.
 *
 * @example Verify an image with a cosign key
 * ```ts no-assert
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { repositoryAttachments, verifySignature } from "@x/oci/store";
 *
 * const reference = parseReference("alpine:3.20");
 * using client = new RemoteClient();
 * const document = await client.document(reference);
 * const signatures = repositoryAttachments(client, reference);
 *
 * // Throws a SignatureError if the key has not signed the image.
 * await verifySignature([signatures], document, { key: await Deno.readTextFile("./cosign.pub") });
 * ```
 */
export async function verifySignature(
  sources: readonly AttachmentSource[],
  document: SignedDocument,
  signer: TrustedSigner,
  options: VerifySignatureOptions = {},
): Promise<void> {
  const { name = document.descriptor.digest, isStoredOnly, signal } = options;
  const faultOf = await signatureCheck(signer);
  const reasons: string[] = [];
  const failures = new NetworkFailures();
  const attempt = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
    signal?.throwIfAborted();
    try {
      return await read();
    } catch (error) {
      if (!failures.count(error) && !isContentError(error)) throw error;
      reasons.push(problemOf(error));
      return undefined;
    }
  };
  let count = 0;
  for (const source of sources) {
    for (const list of [taggedSignatures, referringSignatures]) {
      const all = await attempt(() => list(source, document, signal)) ?? [];
      count += all.length;
      for (const read of all.slice(0, MAX_SIGNATURES)) {
        const verdict = await attempt(async () => ({ fault: faultOf(await read()) }));
        if (verdict === undefined) continue;
        if (verdict.fault === undefined) return;
        reasons.push(verdict.fault);
      }
      if (all.length > MAX_SIGNATURES) reasons.push(`only ${MAX_SIGNATURES} of them were read`);
    }
  }
  failures.throwIfAny();
  throw new SignatureError(name, count, [...new Set(reasons)], isStoredOnly);
}

/** Returns a function that returns what is wrong with a signature, if anything. */
async function signatureCheck(
  signer: TrustedSigner,
): Promise<(signature: Signature) => string | undefined> {
  if ("identity" in signer) {
    const { identityVerifier } = await import("./_identity_verifier.ts");
    return await identityVerifier(signer);
  }
  const isValid = keyVerifier(signer.key);
  return ({ signed, signatures }) => {
    const isFromKey = signatures.some((signature) => isValid(signed, signature));
    return isFromKey ? undefined : "it does not match the key";
  };
}

/** Whether an error is a fault of attached content rather than of the network or the disk. */
function isContentError(error: unknown): boolean {
  const codes = ["digest-mismatch", "limit", "unsupported-digest", "not-found", "missing-content"];
  return error instanceof SyntaxError ||
    (error instanceof OciError && codes.includes(error.code));
}
