import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";
import { addAttestationOptions, printAttestation } from "./_attestation.ts";

export function define(command: Command): Command {
  return addAttestationOptions(command, ["spdx", "cyclonedx"])
    .description(
      "Prints the SBOM of an image. Looks for SBOMs of BuildKit in the index, for referrers, and " +
        "for tags of cosign: first in the store, then in the registry. Does not verify the " +
        "signature of the SBOM.",
    )
    .notes(`
Prints a plain SBOM unchanged, and only the predicate of an in-toto statement.

Examples:
  oci sbom ghcr.io/owner/app:1 > sbom.spdx.json
  oci sbom --platform linux/arm64 --type spdx ghcr.io/owner/app:1 | jq '.packages[].name'
  oci sbom --json oci:./layout:v1 | jq .type`);
}

export async function run(session: Session): Promise<void> {
  await printAttestation(session, "sbom");
}
