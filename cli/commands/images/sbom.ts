import { addAttestationOptions, printAttestation } from "../../access/attestation.ts";
import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return addAttestationOptions(command, ["spdx", "cyclonedx"])
    .description(
      "Prints the SBOM that is attached to an image: by BuildKit in its index, as a referrer, or " +
        "under a tag of cosign. Looks into the store, and then into the registry. Does not verify " +
        "its signature.",
    )
    .notes(`
Prints a file as it is, and of an in-toto statement, the predicate.

Examples:
  oci sbom ghcr.io/owner/app:1 > sbom.spdx.json
  oci sbom --platform linux/arm64 --type spdx ghcr.io/owner/app:1 | jq '.packages[].name'
  oci sbom --json oci:./layout:v1 | jq .type`);
}

export async function run(session: Session): Promise<void> {
  await printAttestation(session, "sbom");
}
