import configuration from "../../../deno.json" with { type: "json" };
import type { Command } from "../../frame/command.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return command.description("Prints the versions of oci and Deno.");
}

export async function run(session: Session): Promise<void> {
  const versions = { oci: configuration.version, deno: Deno.version.deno };
  await session.print(versions, [`oci ${versions.oci}`, `deno ${versions.deno}`]);
}
