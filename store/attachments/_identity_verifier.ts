import { Buffer } from "node:buffer";
import crypto, { type KeyObject } from "node:crypto";
import { describeError } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import type { Signature } from "./_signatures.ts";
import type { TrustedIdentity } from "./trusted_signer.ts";

/**
 * The specifiers are not literals in an import, because Deno would then download the packages before
 * the program starts. Only the verification of certificates needs them.
 */
const BUNDLE_LIBRARY: string = "npm:@sigstore/bundle@^5.0.1";
const SPECS_LIBRARY: string = "npm:@sigstore/protobuf-specs@^0.5.2";
const VERIFY_LIBRARY: string = "npm:@sigstore/verify@^4.1.3";
/** The trusted root of the public instance of Sigstore, which this package contains. */
const PUBLIC_ROOT: string = "npm:@sigstore/tuf@^5.0.1/seeds.json";

interface BundleLibrary {
  bundleFromJSON(bundle: unknown): unknown;
}

interface SpecsLibrary {
  readonly TrustedRoot: { fromJSON(root: unknown): unknown };
}

interface VerifyLibrary {
  readonly Verifier: new (material: unknown) => { verify(entity: unknown): Signer };
  toSignedEntity(bundle: unknown, artifact: Buffer): unknown;
  toTrustMaterial(root: unknown): unknown;
}

/** The signer of a verified signature. */
interface Signer {
  readonly identity?: {
    readonly subjectAlternativeName?: string;
    readonly extensions?: { readonly issuer?: string };
  };
}

/** The first repository is that of the public instance. */
type Seeds = Readonly<Record<string, { readonly targets: Readonly<Record<string, string>> }>>;

/**
 * Returns a function that verifies signatures of an identity: the certificate, its entry in a
 * certificate log, and the entry of the signature in a transparency log or a signed timestamp.
 *
 * @returns The function; it returns what is wrong with a signature, if anything.
 * @throws {SyntaxError} If the trusted root is invalid.
 * @throws {OciError} If the libraries cannot be loaded.
 */
export async function identityVerifier(
  signer: TrustedIdentity,
): Promise<(signature: Signature) => string | undefined> {
  const { issuer } = signer;
  const [bundles, { Verifier, toSignedEntity, toTrustMaterial }, root] = await load(signer);
  const verifier = new Verifier(toTrustMaterial(root));
  return (signature) => {
    const bundle = signature.bundle();
    if (bundle === undefined) return "it has no certificate";
    let found: Signer["identity"];
    try {
      const entity = toSignedEntity(bundles.bundleFromJSON(bundle), Buffer.from(signature.signed));
      found = withDefaultDigest(() => verifier.verify(entity)).identity;
    } catch (error) {
      return `its certificate, log entry or timestamp is not valid (${describeError(error)})`;
    }
    const subject = found?.subjectAlternativeName;
    if (subject === undefined) return "its certificate has no identity";
    if (!matches(subject, signer.identity)) return `it was made by "${subject}"`;
    const actual = found?.extensions?.issuer;
    return actual === issuer ? undefined : `its issuer is "${actual}"`;
  };
}

/**
 * Calls a function while `crypto.verify()` has a default digest, as in Node: SHA-256. The libraries
 * rely on it, and Deno 2.9 has none. Nothing else runs meanwhile.
 */
function withDefaultDigest<T>(work: () => T): T {
  const { verify } = crypto;
  const verifyByDefault = (
    algorithm: string | null | undefined,
    data: Uint8Array,
    key: KeyObject,
    signature: Uint8Array,
  ): boolean => {
    const isHashed = key.asymmetricKeyType === "ec" || key.asymmetricKeyType === "rsa";
    return verify(algorithm ?? (isHashed ? "sha256" : null), data, key, signature);
  };
  try {
    Object.assign(crypto, { verify: verifyByDefault });
    return work();
  } finally {
    Object.assign(crypto, { verify });
  }
}

function matches(subject: string, identity: string | RegExp): boolean {
  if (typeof identity === "string") return subject === identity;
  const { source, flags } = identity;
  return new RegExp(`^(?:${source})$`, flags.replaceAll(/[gmy]/g, "")).test(subject);
}

async function load(
  { trustedRoot }: TrustedIdentity,
): Promise<readonly [BundleLibrary, VerifyLibrary, unknown]> {
  try {
    const bundles: BundleLibrary = await import(BUNDLE_LIBRARY);
    const verify: VerifyLibrary = await import(VERIFY_LIBRARY);
    const { TrustedRoot }: SpecsLibrary = await import(SPECS_LIBRARY);
    const text = trustedRoot ?? await publicRoot();
    return [bundles, verify, TrustedRoot.fromJSON(JSON.parse(text))];
  } catch (cause) {
    if (cause instanceof SyntaxError) throw cause;
    throw new OciError("the npm packages of Sigstore cannot be loaded", {
      cause,
      action: "verify certificates",
      advice: "Let Deno download them once, or verify signatures by key",
    });
  }
}

async function publicRoot(): Promise<string> {
  const { default: seeds }: { readonly default: Seeds } = await import(PUBLIC_ROOT, {
    with: { type: "json" },
  });
  const [repository] = Object.values(seeds);
  const root = repository?.targets["trusted_root.json"] ?? "";
  return new TextDecoder().decode(Uint8Array.fromBase64(root));
}
