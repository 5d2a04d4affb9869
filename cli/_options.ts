import { type Command, InvalidArgumentError, Option } from "commander";
import type { ImagePullPolicy } from "../registry/mod.ts";
import { parsePlatform } from "../spec/mod.ts";

/** Options that every command takes. */
export interface CommonOptions {
  readonly store?: string;
  readonly quiet?: true;
  readonly verbose?: true;
  readonly debug?: true;
  readonly json?: true;
}

/** Options of the commands that reach a registry. */
export interface RegistryOptions {
  readonly platform?: string;
  readonly policy?: ImagePullPolicy;
  readonly user?: string;
  readonly passwordStdin?: true;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly ca?: readonly string[];
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly plainHttp?: true;
  readonly mirror?: readonly (readonly [host: string, url: string])[];
  readonly jobs?: number;
  readonly retries?: number;
  readonly progress?: "auto" | "plain" | "json" | "none";
  readonly progressInterval?: number;
}

/** Adds the options that every command takes. */
export function addCommonOptions(command: Command): Command {
  return command.optionsGroup("Options of every command:")
    .option("--store <dir>", "directory of the store; default: $OCI_STORE, else the user's data")
    .option("--json", "print one JSON document")
    .option("-q, --quiet", "no progress")
    .option("-v, --verbose", "say what caused an error, and what limits registries have")
    .option("--debug", "say each request in a line, without secrets")
    .helpOption("-h, --help", "show this help");
}

/** Names the user to log in as, by whichever flag. */
class LoginOption extends Option {
  override attributeName(): string {
    return "user";
  }
}

/**
 * Adds the options of the commands that reach a registry.
 *
 * @param loginFlag What names the user to log in as, where `--user` means something else.
 */
export function addRegistryOptions(command: Command, loginFlag = "--user"): Command {
  return command.optionsGroup("Options for registries:")
    .option(
      "--platform <os/arch>",
      "platform to choose, such as linux/arm64 or linux/arm/v7; default: this machine's",
      checked(parsePlatform),
    )
    .addOption(
      new Option(
        "--policy <when>",
        "when to ask the registry: always, if-not-present, never, newer; default: if-not-present",
      ).argParser(parsePolicy),
    )
    .addOption(
      new LoginOption(
        `${loginFlag} <name[:password]>`,
        "log in as; the password is asked for if it is not given",
      ),
    )
    .option("--password-stdin", "read the password from standard input")
    .option("--identity-token <token>", "refresh token of OAuth2 to log in with")
    .option("--registry-token <token>", "bearer token to send as it is")
    .option("--ca <file>", "trust the certificates in this PEM file too (repeatable)", collect)
    .option("--client-cert <file>", "certificate to show to the registry, in PEM")
    .option("--client-key <file>", "key of that certificate, in PEM")
    .option("--plain-http", "speak HTTP without TLS; the default for this machine only")
    .option(
      "--mirror <host=url>",
      "ask this mirror before the registry (repeatable)",
      collectMirror,
    )
    .option("--jobs <n>", "layers to transfer at once; default: 6", parseCount(1, 1000))
    .option(
      "--retries <n>",
      "failures in a row, without any progress, to try again after; default: 8",
      parseCount(0, 1000),
    )
    .addOption(
      new Option("--progress <how>", "how to show progress, on standard error; default: auto")
        .choices(["auto", "plain", "json", "none"]),
    )
    .option(
      "--progress-interval <seconds>",
      "pause between two summaries where there is no terminal; default: 10",
      parseSeconds,
    );
}

const POLICIES: Readonly<Record<string, ImagePullPolicy>> = {
  "always": "Always",
  "if-not-present": "IfNotPresent",
  "ifnotpresent": "IfNotPresent",
  "never": "Never",
  "newer": "Newer",
};

function parsePolicy(text: string): ImagePullPolicy {
  const policy = Object.hasOwn(POLICIES, text.toLowerCase()) && POLICIES[text.toLowerCase()];
  if (policy) return policy;
  throw new InvalidArgumentError("It must be always, if-not-present, never or newer.");
}

/** A parser for commander that keeps the text, and refuses what `parse` refuses. */
function checked(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      parse(text);
      return text;
    } catch (error) {
      const [, rule = ""] = (error as Error).message.split(/": (.*)/s);
      throw new InvalidArgumentError(`${rule}.`);
    }
  };
}

function parseCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
    if (count >= least && count <= most) return count;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** A parser for commander: a number of seconds above 0. */
export function parseSeconds(text: string): number {
  const seconds = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError("It must be a number of seconds above 0.");
}

/** A parser for commander: the texts of an option that is given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function collectMirror(
  text: string,
  before: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const at = text.indexOf("=");
  const url = text.slice(at + 1);
  if (at > 0 && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) {
    return [...before, [text.slice(0, at), url]];
  }
  throw new InvalidArgumentError("It must be HOST=URL, such as docker.io=https://mirror.example.");
}
