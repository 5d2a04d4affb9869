import type { Reference } from "../../../registry/reference.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { isRepository, readReference } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<repo>", "repository, without a tag")
    .description("Lists all tags of a repository, in the registry's order.");
  return addRegistryOptions(described, { features: [] }).notes(`
Examples:
  oci tags alpine
  oci tags --json localhost:5000/app | jq length`);
}

export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const repository = readRepository(text);
  const auth = await readAuth(session);
  using client = await openClient(session);
  await session.printEach(client.tags(repository, { auth, signal: session.signal }));
}

function readRepository(text: string): Reference {
  const repository = readReference(text);
  if (isRepository(text)) return repository;
  const { registry, repository: path } = repository;
  // The port of a registry without a repository looks like a tag.
  if (/^[^/@]+:[0-9]+$/.test(text)) {
    throw new UsageError(
      `cannot list the tags of "${text}": the repository is missing`,
      `Write "${text}/NAME", or list its repositories with "oci catalog ${text}"`,
    );
  }
  throw new UsageError(
    `cannot list the tags of "${text}": a repository has no tag and no digest`,
    `Write "${registry}/${path}"`,
  );
}
