import { type PermissionCommand, permissionFlags } from "../cache/permissions.ts";
import type { Command } from "./_command.ts";
import { COMMANDS } from "./_commands.ts";
import { addRegistryOptions, type RegistryOptions } from "./_options.ts";
import { readSource } from "./_references.ts";
import type { Session } from "./_session.ts";

/** Options of other commands that say what those touch. */
interface PermissionsOptions extends RegistryOptions {
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly htpasswd?: string;
}

/** Describes `oci permissions`. */
export function define(command: Command): Command {
  const described = command
    .argument("<command>", "the command", { parse: checkCommand })
    .argument("[ref]", "what it works on; without, it may reach any registry")
    .description(
      "Prints the least Deno permissions that serve a command: the hosts it reaches, the files " +
        "and variables it reads, where it writes. Give it the options that the command will get.",
    )
    .option("--listen <host:port>", "address that serve listens at")
    .option("--tls-cert <file>", "certificate of serve")
    .option("--tls-key <file>", "key of serve")
    .option("--htpasswd <file>", "password file of serve");
  return addRegistryOptions(described).notes(`
Examples:
  oci permissions pull alpine:3.20
  deno run $(oci permissions pull alpine:3.20) jsr:@x/oci pull alpine:3.20
  oci permissions --json serve --listen 127.0.0.1:8080 --store ./images`);
}

/** Runs `oci permissions`. */
export async function run(session: Session): Promise<void> {
  const [command = "", reference] = session.operands;
  const options = session.options<PermissionsOptions>();
  const { store, listen, mirror = [] } = options;
  if (reference !== undefined) readSource(reference);
  const mirrors = Map.groupBy(mirror, ([host]) => host);
  const { ca = [], clientCert, clientKey, tlsCert, tlsKey, htpasswd } = options;
  const files = [...ca, clientCert, clientKey, tlsCert, tlsKey, htpasswd];
  const flags = await permissionFlags(command as PermissionCommand, reference, {
    ...(store === undefined ? {} : { store }),
    ...(listen === undefined ? {} : { listen }),
    mirrors: Object.fromEntries(
      [...mirrors].map(([host, all]) => [host, all.map(([, url]) => url)]),
    ),
    files: files.filter((file) => file !== undefined),
  });
  await session.print({ command, reference: reference ?? null, flags }, [
    flags.map(quote).join(" "),
  ]);
}

function checkCommand(text: string): string {
  if (COMMANDS.has(text)) return text;
  throw new SyntaxError(`it must be one of ${[...COMMANDS.keys()].join(", ")}`);
}

/**
 * Quotes a word for a shell where it has to be. What a `$(…)` puts into a command line is not
 * unquoted any more, so nothing is quoted that works without: no file is called like a pattern
 * that begins with two dashes.
 */
function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./*\[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
