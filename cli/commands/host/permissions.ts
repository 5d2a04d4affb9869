import { dirname } from "../../../spec/paths.ts";
import { readArtifactFile } from "../../access/artifact_file.ts";
import { readLoginPlace } from "../../access/login_place.ts";
import { digestStart, locateOutside, readSource, withoutAlias } from "../../access/references.ts";
import { readRegistries } from "../../access/registries.ts";
import { storePath } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import type { CommonOptions } from "../../frame/options.ts";
import {
  type CommandEntry,
  type CommandTable,
  declareCommand,
  parseArguments,
} from "../../frame/program.ts";
import type { Session } from "../../frame/session.ts";
import { refuseCommand } from "../../frame/unknown_command.ts";
import { permissionFlags } from "../../permissions/permission_flags.ts";
import type { PermissionOptions } from "../../permissions/permission_options.ts";
import { quoteForShell } from "../../terminal/format.ts";

export function define(command: Command, commands: CommandTable): Command {
  return command
    .argument("<command>", "command to run", {
      parse: (text) => {
        findCommand(text, commands);
        return text;
      },
    })
    .argument("[arg...]", "known arguments and options of the command", { isVerbatim: true })
    .usage("[options] <command> [arg...]")
    .description(
      "Prints the minimum Deno permissions for a command: the hosts it reaches, the files " +
        "and variables it reads, and the paths it writes. Without a reference, a command that needs " +
        "a registry may reach any host. Options of this command go before the other command's name.",
    )
    .notes(`
Quotes a flag whose path contains a space. The shell reads such quotes only with "eval", as in the
last example.

Examples:
  oci permissions pull alpine:3.20
  deno run $(oci permissions pull alpine:3.20) jsr:@x/oci pull alpine:3.20
  deno run $(oci permissions export alpine:3.20 -o a.tar) jsr:@x/oci export alpine:3.20 -o a.tar
  oci permissions --json serve --listen 127.0.0.1:8080 --store ./images
  eval "deno run $(oci permissions pull alpine:3.20) mod.ts pull alpine:3.20"`);
}

export async function run(session: Session, commands: CommandTable): Promise<void> {
  const [name = "", ...words] = session.operands;
  session.workOn(name);
  const command = declareCommand(name, await findCommand(name, commands).load(), commands);
  const { operands, ...parsed } = await parseArguments(command, words, { isPartial: true });
  const options: PermissionOptions & CommonOptions & { readonly subject?: string } = {
    ...session.options(),
    ...parsed.options,
  };
  const named: Operands = (...names) => {
    const at = command.arguments.findIndex(({ name }) => names.includes(name));
    return at < 0 ? [] : operands.slice(at, command.arguments[at]?.isVariadic ? undefined : at + 1);
  };
  const [target] = named("dest");
  const { like, sources } = sourcesOf(name, named);
  const references = sources.map((text) => {
    return digestStart(text) === undefined ? withoutAlias(text) : `oci:${storePath(session)}`;
  });
  for (const text of target === undefined ? references : [...references, target]) readSource(text);
  // Only the registry of a reference matters, so any repository will do.
  const registries = named("registry").map((text) => {
    const { registry } = readLoginPlace(text);
    return { registry, repository: "app" };
  });
  const paths = named("path");
  const isPush = operands[0] === "push";
  const directory = [...named("dir"), ...isPush ? [] : paths][0];
  const files = [
    ...named("file"),
    ...isPush ? paths.map((text) => readArtifactFile(text).path) : [],
  ];
  const { subject, output = directory } = options;
  if (subject !== undefined) readSource(subject);
  const flags = await permissionFlags(like, [...references, subject ?? [], registries].flat(), {
    ...options,
    output,
    target,
    files: files.filter((path) => path !== "-"),
    registries: await readRegistries(session),
    modules: moduleDirectory(),
  });
  const reason = flags[0] === "--allow-all"
    ? "Deno allows access to files in /dev, /proc and /sys only with all permissions"
    : undefined;
  if (reason !== undefined) session.note(reason);
  // No permission depends on `--json`, so it belongs to this command wherever it is.
  if (options.json) {
    return await session.output.json({
      command: name,
      reference: references[0] ?? null,
      flags,
      reason,
    });
  }
  await session.output.text(flags.map(quote).join(" "));
}

/** Returns the operands of the argument that has one of some names. */
type Operands = (...names: readonly string[]) => readonly string[];

/**
 * Returns the images that a command reads from registries, layouts and archives, and the command
 * that needs the same permissions for them.
 */
function sourcesOf(
  name: string,
  named: Operands,
): { readonly like: string; readonly sources: readonly string[] } {
  const sources = named("ref", "repo", "src");
  // Names in the store may have any form, so those for "rm" are not parsed.
  if (name === "rm") return { like: name, sources: [] };
  // A digest names an image in the store.
  if (name === "copy" && sources.some((text) => digestStart(text) !== undefined)) {
    return { like: "push", sources: [] };
  }
  if (name === "push" && sources.some((text) => locateOutside(text) !== undefined)) {
    return { like: "copy", sources };
  }
  // The name of a pushed image is only the default destination.
  return { like: name, sources: name === "push" && named("dest").length > 0 ? [] : sources };
}

/** Returns the directory of the checkout that runs, or `undefined` outside of a checkout. */
function moduleDirectory(): string | undefined {
  const { dirname: room } = import.meta;
  return room === undefined ? undefined : dirname(dirname(dirname(room)));
}

function findCommand(name: string, commands: CommandTable): CommandEntry {
  return commands.get(name) ?? refuseCommand(name, commands);
}

/**
 * Quotes a word for a shell only where needed: words from a `$(…)` substitution keep their quotes.
 * Patterns stay unquoted, because no file name begins with two dashes.
 */
function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./*\[\]-]+$/.test(word) ? word : quoteForShell(word);
}
