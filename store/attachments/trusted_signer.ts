/** A signer identified by a public key. */
export interface TrustedKey {
  /**
   * Public key in PEM, such as the content of `cosign.pub`: ECDSA over P-256 or P-384,
   * Ed25519, or RSA with at least 2048 bits.
   */
  readonly key: string;
}

/**
 * A signer, such as a workflow or a person, identified by a certificate of Sigstore ("keyless"
 * signing).
 */
export interface TrustedIdentity {
  /**
   * Identity, which is a URI or an email address in the certificate, such as
   * `https://github.com/owner/app/.github/workflows/release.yml@refs/tags/v1`. A regular expression
   * must match all of it.
   */
  readonly identity: string | RegExp;
  /** URL of the service that authenticated the signer: the OpenID Connect issuer. */
  readonly issuer: string;
  /**
   * Keys and certificates to trust: the content of a `trusted_root.json` file.
   *
   * By default, those of the public instance of Sigstore.
   */
  readonly trustedRoot?: string | undefined;
}

/** The signer whose signature an image must have. */
export type TrustedSigner = TrustedKey | TrustedIdentity;
