import type { IdRange } from "../../layer/extraction/ownership.ts";
import type { ImagePullPolicy } from "../../registry/image_client.ts";
import { parsePlatform } from "../../spec/platform.ts";
import type { Command } from "./command.ts";

/** Platforms that completion offers. */
const PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/riscv64"];

/** Options of every command. */
export interface CommonOptions {
  readonly store?: string | undefined;
  readonly quiet?: true | undefined;
  readonly verbose?: true | undefined;
  readonly debug?: true | undefined;
  readonly json?: true | undefined;
}

/** The signer of `--verify`: a file with a public key, or an identity. */
export type SignerOption = { readonly key: string } | {
  readonly identity: string | RegExp;
  readonly issuer: string;
};

/** Options of the commands that reach a registry. */
export interface RegistryOptions {
  readonly platform?: string | undefined;
  readonly policy?: ImagePullPolicy | undefined;
  readonly strictPlatform?: true | undefined;
  readonly checkTag?: true | undefined;
  readonly verify?: SignerOption | undefined;
  readonly user?: string | undefined;
  readonly passwordStdin?: true | undefined;
  readonly identityToken?: string | undefined;
  readonly registryToken?: string | undefined;
  readonly authfile?: string | undefined;
  readonly ca?: readonly string[] | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly plainHttp?: true | undefined;
  readonly mirror?: readonly (readonly [host: string, url: string])[] | undefined;
  readonly jobs?: number | undefined;
  readonly connections?: number | undefined;
  readonly retries?: number | undefined;
  readonly maxWait?: number | undefined;
  readonly allowPrivateAddresses?: true | undefined;
  readonly progress?: "auto" | "plain" | "json" | "none" | undefined;
  readonly progressInterval?: number | undefined;
}

/** Adds the options of every command, without the short forms that the command itself uses. */
export function addCommonOptions(command: Command): Command {
  const flags = (short: string, long: string) => {
    return command.find(short) === undefined ? `${short}, ${long}` : long;
  };
  return command.group("Options of every command:")
    .option(
      "--store <dir>",
      "store directory (default: $OCI_STORE, else the user's data directory)",
    )
    .option("--json", "print one JSON document")
    .option(flags("-q", "--quiet"), "hide progress")
    .option(flags("-v", "--verbose"), "show causes of errors and rate limits")
    .option("--debug", "log each request, without secrets")
    .option(flags("-h", "--help"), "show this help");
}

/** The options of commands that reach a registry, each with its feature. */
const REGISTRY_OPTIONS: readonly (readonly [RegistryFeature, ...OptionArguments])[] = [
  [
    "platform",
    "--platform <os/arch>",
    "platform, such as linux/arm64 or linux/arm/v7 (default: this machine's)",
    { parse: checkPlatform, examples: PLATFORMS, conflicts: ["--platform"] },
  ],
  ["check", "--strict-platform", "refuse an image that is only for another platform"],
  ["check", "--check-tag", "warn if the tag of NAME:TAG@DIGEST has moved to another digest"],
  [
    "policy",
    "--policy <when>",
    "pull policy: always, if-not-present, never or newer (default: if-not-present)",
    { parse: parsePolicy, examples: ["always", "if-not-present", "never", "newer"] },
  ],
  [
    "verify",
    "--verify <signer>",
    "refuse an image without a cosign signature of key=FILE, or of identity=NAME,issuer=URL " +
    "or identity-regexp=REGEXP,issuer=URL",
    { parse: parseSigner, examples: ["key=", "identity=", "identity-regexp="] },
  ],
  [
    "login",
    "--user <name[:password]>",
    "user to log in as; prompts for a missing password",
    { key: "user" },
  ],
  ["login", "--password-stdin", "read the password from stdin"],
  ["login", "--identity-token <token>", "OAuth2 refresh token to log in with"],
  ["token", "--registry-token <token>", "bearer token to send unchanged"],
  ["authfile", "--authfile <file>", "credential file to use instead of those of docker and podman"],
  [
    "tls",
    "--ca <file>",
    "PEM file with trusted certificates, in addition to those of certs.d (repeatable)",
    { repeatable: true },
  ],
  [
    "tls",
    "--client-cert <file>",
    "client certificate in PEM (default: that of the registry in certs.d)",
  ],
  ["tls", "--client-key <file>", "private key of the client certificate in PEM"],
  ["plain-http", "--plain-http", "use HTTP without TLS (default: for localhost only)"],
  [
    "mirror",
    "--mirror <host=url>",
    "mirror to try before the registry (repeatable)",
    { repeatable: true, parse: parseMirror },
  ],
  [
    "jobs",
    "--jobs <n>",
    "layers to transfer in parallel (default: 6)",
    { parse: (text) => parseCount(text, 1) },
  ],
  [
    "connections",
    "--connections <n>",
    "connections for large layers (default: 12)",
    { parse: (text) => parseCount(text, 1) },
  ],
  [
    "retries",
    "--retries <n>",
    "retries without progress before giving up (default: 8)",
    { parse: (text) => parseCount(text, 0) },
  ],
  [
    "retries",
    "--max-wait <seconds>",
    "longest pause that a registry may request before a retry (default: 300)",
    { parse: (text) => text === "0" ? 0 : parseSeconds(text, "0 or a number of seconds") },
  ],
  [
    "private",
    "--allow-private-addresses",
    "let a public registry redirect, and send logins, into private networks",
  ],
  [
    "progress",
    "--progress <how>",
    "progress display on stderr; json writes all messages as one object per line (default: auto)",
    { choices: ["auto", "plain", "json", "none"] },
  ],
  [
    "progress",
    "--progress-interval <seconds>",
    "seconds between summaries without a terminal (default: 10)",
    { parse: parseSeconds },
  ],
];

type OptionArguments = Parameters<Command["option"]>;

/** Features that options for registries control. */
type RegistryFeature =
  | "platform"
  | "policy"
  | "check"
  | "verify"
  | "login"
  | "token"
  | "authfile"
  | "tls"
  | "plain-http"
  | "mirror"
  | "jobs"
  | "connections"
  | "retries"
  | "private"
  | "progress";

/** Features of every command that connects to a registry. */
const CONNECTING = ["tls", "plain-http", "retries", "private"] as const;
/** Further features of a command that pulls images. */
const PULLING = ["platform", "policy", "mirror", "jobs", "connections", "progress"] as const;
/** Features of a command that pulls an image in order to keep or use it. */
export const VERIFYING: readonly RegistryFeature[] = [...PULLING, "check", "verify"];

/**
 * Adds the options of some features.
 *
 * @param loginFlag Flag of the user to log in as, if not `--user`.
 * @param defaults Defaults that differ from the usual ones, by the flag of their option.
 */
export function addOptions(
  command: Command,
  features: readonly RegistryFeature[],
  loginFlag = "--user",
  defaults: Readonly<Record<string, string>> = {},
): Command {
  for (const [feature, flags, description, settings] of REGISTRY_OPTIONS) {
    if (!features.includes(feature)) continue;
    const other = defaults[flags.split(" ", 1).join()];
    const text = other ? description.replace(/(?<=\(default: ).*(?=\)$)/, other) : description;
    command.option(flags.replace("--user", loginFlag), text, settings);
  }
  return command;
}

interface RegistryOptionSettings {
  /**
   * Features in addition to those of every command that connects to a registry.
   *
   * By default, those of a command that pulls images.
   */
  readonly features?: readonly RegistryFeature[] | undefined;
  readonly loginFlag?: string | undefined;
  /** Defaults that differ from the usual ones, by the flag of their option. */
  readonly defaults?: Readonly<Record<string, string>> | undefined;
}

/** Adds the options of a command that reaches a registry. */
export function addRegistryOptions(
  command: Command,
  { features = PULLING, loginFlag, defaults }: RegistryOptionSettings = {},
): Command {
  const all = ["login", "token", "authfile", ...CONNECTING, ...features] as const;
  return addOptions(command.group(REGISTRY_GROUP), all, loginFlag, defaults);
}

/** Adds the options of a command that is mainly about a login. */
export function addLoginOptions(command: Command): Command {
  addOptions(command, ["login", "authfile"], "-u, --user");
  return addOptions(command.group(REGISTRY_GROUP), CONNECTING);
}

/** Heading of the options of commands that reach a registry. */
export const REGISTRY_GROUP = "Options for registries:";

/** Options of the commands that move images. */
export interface TransferOptions extends Omit<RegistryOptions, "platform" | "policy"> {
  /** The value of each `--platform`, a list. */
  readonly platforms?: readonly (readonly string[])[] | undefined;
  readonly allPlatforms?: true | undefined;
  readonly sparse?: true | undefined;
  readonly withReferrers?: true | undefined;
  readonly copyForeign?: true | undefined;
  readonly allTags?: true | undefined;
  readonly dryRun?: true | undefined;
}

/** Adds the options of the commands that move images, and those of further features. */
export function addTransferOptions(
  command: Command,
  more: readonly RegistryFeature[] = [],
): Command {
  command
    .option("--platform <os/arch>", "copy only this platform (several with --sparse)", {
      key: "platforms",
      repeatable: true,
      parse: (text) => text.split(",").map(checkPlatform),
      examples: PLATFORMS,
    })
    .option("--sparse", "keep the index, with the manifests of the given platforms only")
    .option("--all-platforms", "copy every platform, or fail if one is missing", {
      conflicts: ["--platform"],
    })
    .option("--with-referrers", "copy signatures, SBOMs and attestations as well")
    .option("--copy-foreign", "copy nondistributable layers as well", {
      conflicts: ["--skip-foreign"],
    })
    .option("--skip-foreign", "leave nondistributable layers at their URLs (default)")
    .option("--all-tags", "copy every tag of a repository")
    .option("--dry-run", "show what would be copied")
    .hint(
      "--format -f --preserve-digests --remove-signatures --compression-format --dest-compress " +
        "--dest-compress-format",
      "Leave it out; manifests and layers are copied unchanged",
    )
    .hint("--digestfile", 'Use "--json"')
    .hint("--sign-by --sign-by-sigstore", "Sign the copy with cosign")
    .hint("--additional-tag", 'Add it with "oci tag"')
    .trait("writes-repository");
  return addRegistryOptions(command, { features: ["mirror", "jobs", "progress", ...more] });
}

/** Returns the addresses of mirrors by registry. */
export function mirrorsOf(
  { mirror = [] }: RegistryOptions,
): Readonly<Record<string, readonly string[]>> {
  const groups = Map.groupBy(mirror, ([host]) => host);
  return Object.fromEntries(
    [...groups].map(([host, pairs]) => [host, pairs.map(([, url]) => url)]),
  );
}

const POLICIES: ReadonlyMap<string, ImagePullPolicy> = new Map([
  ["always", "Always"],
  ["if-not-present", "IfNotPresent"],
  ["ifnotpresent", "IfNotPresent"],
  ["never", "Never"],
  ["newer", "Newer"],
]);

function parsePolicy(text: string): ImagePullPolicy {
  const policy = POLICIES.get(text.toLowerCase());
  if (policy !== undefined) return policy;
  throw new SyntaxError("it must be always, if-not-present, never or newer");
}

function parseSigner(text: string): SignerOption {
  const [, key] = /^key=(.+)$/s.exec(text) ?? [];
  if (key !== undefined) return { key };
  const [, isRegExp, identity, issuer] = /^identity(-regexp)?=(.+),issuer=([^,]+)$/s.exec(text) ??
    [];
  if (identity === undefined || issuer === undefined) {
    throw new SyntaxError(
      "it must be key=FILE, identity=NAME,issuer=URL or identity-regexp=REGEXP,issuer=URL",
    );
  }
  return { identity: isRegExp === undefined ? identity : parseRegExp(identity), issuer };
}

function parseRegExp(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new SyntaxError("it must have a regular expression after identity-regexp=");
  }
}

/** Checks a platform and returns its text; the library fills in defaults. */
function checkPlatform(text: string): string {
  parsePlatform(text);
  return text;
}

/** Parses a whole number from `least` to 1000. */
export function parseCount(text: string, least: number): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
  if (count >= least && count <= 1000) return count;
  throw new SyntaxError(`it must be a whole number from ${least} to 1000`);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Parses an age, such as `90m`, `12h` or `7d`, to milliseconds. */
export function parseAge(text: string): number {
  const [, number, unit = ""] = /^([0-9]{1,6}(?:\.[0-9]+)?)([smhdw])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (number !== undefined && unitMs !== undefined) return Number(number) * unitMs;
  throw new SyntaxError("it must be a number with s, m, h, d or w, such as 12h or 7d");
}

/** Parses a range of IDs in a container, and those of the host that they are mapped to. */
export function parseIdRange(text: string): IdRange {
  const [containerId = 0, hostId = 0, size = 0] = text.split(":").map(Number);
  const isRange = /^[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$/.test(text) && size > 0 &&
    Math.max(hostId, containerId) + size <= 4_294_967_296;
  if (isRange) return { hostId, containerId, size };
  throw new SyntaxError("it must be CONTAINER:HOST:COUNT, such as 0:100000:65536");
}

/** Parses a number of seconds above 0 as milliseconds; `valid` is for the error. */
export function parseSeconds(text: string, valid = "a number of seconds above 0"): number {
  const seconds = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0) {
    return Math.min(Math.max(1, Math.round(seconds * 1000)), Number.MAX_SAFE_INTEGER);
  }
  throw new SyntaxError(`it must be ${valid}`);
}

function parseMirror(text: string): readonly [host: string, url: string] {
  const at = text.indexOf("=");
  const url = text.slice(at + 1);
  if (at > 0 && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) {
    return [text.slice(0, at), url];
  }
  throw new SyntaxError("it must be HOST=URL, such as docker.io=https://mirror.example");
}
