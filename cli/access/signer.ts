import { problemOf } from "../../spec/error_facts.ts";
import { keyVerifier } from "../../store/attachments/key_verifier.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import { UsageError } from "../frame/errors.ts";
import type { SignerOption } from "../frame/options.ts";
import { readOptionFile } from "./option_file.ts";

/**
 * Returns the signer of `--verify`.
 *
 * @throws {UsageError} If the file of the key cannot be read, or is not a public key.
 */
export async function readSigner(option: SignerOption): Promise<TrustedSigner> {
  if ("identity" in option) return option;
  const { key: path } = option;
  const key = await readOptionFile("--verify", path);
  try {
    keyVerifier(key);
  } catch (error) {
    const problem = `cannot use --verify "${path}": ${problemOf(error)}`;
    const remedy = "Specify an ECDSA, Ed25519 or RSA key in PEM, such as cosign.pub";
    throw new UsageError(problem, remedy, { subject: path, cause: error });
  }
  return { key };
}
