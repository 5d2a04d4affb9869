import { type Command, InvalidArgumentError } from "commander";
import { serveRegistry } from "../registry/mod.ts";
import { StoreRegistryContent } from "../store/mod.ts";
import { UsageError } from "./_errors.ts";
import { printable } from "./_format.ts";
import type { Session } from "./_session.ts";
import { openStore } from "./_store.ts";

interface ServeOptions {
  readonly listen?: Address;
  readonly readOnly?: true;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

interface Address {
  readonly hostname: string;
  readonly port: number;
}

const DEFAULT_ADDRESS: Address = { hostname: "127.0.0.1", port: 5000 };

/** Describes `oci serve`. */
export function define(command: Command): Command {
  return command
    .description(
      "Serves the store as a registry, until it is interrupted. Anybody who reaches the address " +
        "can pull from it; nobody can push to it.",
    )
    .option(
      "--listen <host:port>",
      "address to listen at; port 0 is a free one; default: 127.0.0.1:5000",
      parseAddress,
    )
    .option("--read-only", "refuse to be written to, which is all that there is for now")
    .option("--tls-cert <file>", "certificate chain in PEM; with it, the registry speaks HTTPS")
    .option("--tls-key <file>", "key of the certificate, in PEM")
    .addHelpText(
      "after",
      `
Examples:
  oci serve
  oci serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  oci serve --listen 127.0.0.1:0 --json`,
    );
}

/** Runs `oci serve`. */
export async function run(session: Session): Promise<void> {
  const { listen = DEFAULT_ADDRESS, tlsCert, tlsKey, debug } = session.options<ServeOptions>();
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError('"--tls-cert" and "--tls-key" go together; give both or none');
  }
  const store = await openStore(session);
  await using server = serveRegistry(new StoreRegistryContent(store), {
    ...listen,
    signal: session.signal,
    ...(tlsCert && tlsKey
      ? { cert: await Deno.readTextFile(tlsCert), key: await Deno.readTextFile(tlsKey) }
      : {}),
    ...(debug
      ? {
        onRequest: ({ method, path, status }) => {
          session.notices.line(printable(`oci: ${status} ${method} ${path}`));
        },
      }
      : {}),
    onError: (error) => session.warn(error instanceof Error ? error.message : String(error)),
  });
  await session.print({ url: server.url }, [`listening on ${server.url}`]);
  await server.finished;
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new InvalidArgumentError("It must be HOST:PORT, such as 127.0.0.1:5000 or [::1]:5000.");
  }
  return { hostname: match[1] ?? match[2] ?? "", port };
}
