import { addAttestationOptions, printAttestation } from "../../access/attestation.ts";
import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return addAttestationOptions(command, ["slsa.dev/provenance/v1", "slsa.dev/provenance/v0.2"])
    .description(
      "Prints the SLSA provenance of an image, which says how it was built. Finds what BuildKit has " +
        "attached in the index, and what is attached as a referrer or under a tag of cosign. Looks " +
        "in the store, and then in the registry. Does not verify its signature.",
    )
    .notes(`
Prints the predicate of the in-toto statement unchanged.

Examples:
  oci provenance ghcr.io/owner/app:1
  oci provenance --type provenance/v1 ghcr.io/owner/app:1 | jq .buildDefinition.externalParameters
  oci provenance --platform linux/arm64 --json ghcr.io/owner/app:1 | jq .document`);
}

export async function run(session: Session): Promise<void> {
  await printAttestation(session, "provenance");
}
