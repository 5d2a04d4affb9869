import { addAttestationOptions, printAttestation } from "../../access/attestation.ts";
import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return addAttestationOptions(command, ["slsa.dev/provenance/v1", "slsa.dev/provenance/v0.2"])
    .description(
      "Prints the SLSA provenance that is attached to an image, which says how it was built: by " +
        "BuildKit in its index, as a referrer, or under a tag of cosign. Looks into the store, and " +
        "then into the registry. Does not verify its signature.",
    )
    .notes(`
Prints the predicate of the in-toto statement as it is.

Examples:
  oci provenance ghcr.io/owner/app:1
  oci provenance --type provenance/v1 ghcr.io/owner/app:1 | jq .buildDefinition.externalParameters
  oci provenance --platform linux/arm64 --json ghcr.io/owner/app:1 | jq .document`);
}

export async function run(session: Session): Promise<void> {
  await printAttestation(session, "provenance");
}
