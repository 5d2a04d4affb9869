/** A signer who is known by a public key. */
export interface TrustedKey {
  /**
   * Public key in PEM, such as the content of `cosign.pub`: ECDSA over P-256 or P-384,
   * Ed25519, or RSA with at least 2048 bits.
   */
  readonly key: string;
}

/** Whose signature an image must have. */
export type TrustedSigner = TrustedKey;
