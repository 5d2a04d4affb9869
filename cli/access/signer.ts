import { readUserText } from "../../registry/configuration/user_file.ts";
import { keyVerifier } from "../../store/attachments/key_verifier.ts";
import type { TrustedSigner } from "../../store/attachments/trusted_signer.ts";
import type { SignerOption } from "../frame/options.ts";
import { naming } from "./option_file.ts";

/**
 * Returns the signer of `--verify`.
 *
 * @throws {UsageError} If the file of the key cannot be read, or is not a public key.
 */
export async function readSigner(option: SignerOption): Promise<TrustedSigner> {
  if ("identity" in option) return option;
  const { key: path } = option;
  return await naming("--verify", path, async () => {
    const key = await readUserText(path);
    keyVerifier(key);
    return { key };
  });
}
