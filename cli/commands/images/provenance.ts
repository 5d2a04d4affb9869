import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";
import { addAttestationOptions, printAttestation } from "./_attestation.ts";

export function define(command: Command): Command {
  return addAttestationOptions(command, ["slsa.dev/provenance/v1", "slsa.dev/provenance/v0.2"])
    .description(
      "Prints the SLSA provenance of an image, which says how it was built. Looks for provenance " +
        "of BuildKit in the index, for referrers, and for tags of cosign: first in the store, then " +
        "in the registry. Does not verify the signature of the provenance.",
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
