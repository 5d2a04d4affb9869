import { openClient, readAuth } from "../../access/client.ts";
import { readLoginPlace } from "../../access/login_place.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<registry>", "registry, such as localhost:5000")
    .description(
      "Lists all repositories of a registry, in the registry's order. Most public registries " +
        "do not allow this.",
    )
    .trait("lists-repositories");
  return addRegistryOptions(described, { features: [] }).notes(`
Examples:
  oci catalog localhost:5000
  oci catalog --json registry.example | jq length`);
}

export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const { registry, namespace } = readLoginPlace(text);
  if (namespace !== "") {
    throw new UsageError(`"${text}" contains a repository`, `Write "${registry}"`);
  }
  session.workOn(registry);
  const auth = await readAuth(session);
  using client = await openClient(session);
  await session.printEach(client.repositories(registry, { auth, signal: session.signal }));
}
