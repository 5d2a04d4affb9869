import type { Command, Option } from "./command.ts";

/** Flags of other tools, and the option that replaces them. */
interface ForeignOption {
  readonly flags: readonly string[];
  /** Long form of the option. */
  readonly own: string;
  /** How to use the option: the words after `Use` (default: the option with its value). */
  readonly use?: string;
}

/** Flags of docker, podman, skopeo, crane, umoci, regctl and oras. */
const FOREIGN_OPTIONS: readonly ForeignOption[] = [
  // In a container command, "--user" is the user in the container.
  ...["--registry-user", "--user"].map((own) => ({
    flags: ["--creds", "--src-creds", "--dest-creds", "--username", "-u"],
    own,
  })),
  { flags: ["--port", "-p", "-l", "--addr", "--address", "--host"], own: "--listen" },
  { flags: ["--password", "-p"], own: "--password-stdin" },
  {
    flags: ["--src-registry-token", "--dest-registry-token", "--token"],
    own: "--registry-token",
  },
  { flags: ["--src-authfile", "--dest-authfile", "--registry-config"], own: "--authfile" },
  {
    flags: [
      ...["--tls-verify", "--src-tls-verify", "--dest-tls-verify", "--insecure", "-k", "--tls"],
      ...["--insecure-registry", "--insecure-skip-tls-verify", "--insecure-policy"],
    ],
    own: "--plain-http",
    use: '"--plain-http" for HTTP, or "--ca FILE" to trust a certificate',
  },
  {
    flags: ["--cert-dir", "--src-cert-dir", "--dest-cert-dir", "--ca-file", "--cacert"],
    own: "--ca",
  },
  { flags: ["--cert-file", "--cert"], own: "--client-cert" },
  { flags: ["--key-file", "--key"], own: "--client-key" },
  { flags: ["--all", "-a", "--multi-arch"], own: "--all-platforms" },
  {
    flags: [
      ...["--os", "--arch", "--variant"],
      ...["--override-os", "--override-arch", "--override-variant"],
    ],
    own: "--platform",
    use: '"--platform OS/ARCH[/VARIANT]"',
  },
  { flags: ["--pull"], own: "--policy", use: '"--policy always|if-not-present|never"' },
  { flags: ["--retry-times", "--retry", "--max-retries"], own: "--retries" },
  { flags: ["--image-parallel-copies", "--concurrency"], own: "--jobs" },
  { flags: ["--recursive", "-r", "--referrers", "--digest-tags"], own: "--with-referrers" },
  { flags: ["--allow-nondistributable-artifacts"], own: "--copy-foreign" },
  { flags: ["--artifact-type"], own: "--type" },
  { flags: ["--image"], own: "--policy", use: '"oci:DIR:NAME" as the reference' },
  { flags: ["--root", "--layout", "--data-root", "--storage", "--disk"], own: "--store" },
  { flags: ["-a"], own: "--all" },
  { flags: ["-f", "--force"], own: "--yes" },
  { flags: ["-f", "--overwrite"], own: "--force" },
  { flags: ["-f", "--fix"], own: "--repair" },
  { flags: ["--get-login"], own: "--get" },
  { flags: ["--filter", "--until"], own: "--older-than" },
  { flags: ["--signature-policy", "--disable-content-trust"], own: "--verify" },
  {
    flags: ["--format", "-f", "--filter", "--digests", "--no-trunc"],
    own: "--json",
    use: '"--json", and jq',
  },
];

/** Adds advice for the flags of other tools that an option of the command replaces. */
export function addForeignHints(command: Command): void {
  for (const { flags, own, use } of FOREIGN_OPTIONS) {
    const option = command.find(own);
    if (option === undefined) continue;
    const advice = `Use ${use ?? withValue(option)}`;
    command.hint(flags.filter((flag) => !command.has(flag)), advice);
  }
}

/** Formats an option and its value, such as `"--authfile FILE"`. */
function withValue({ long, flags }: Option): string {
  const [, value] = / <(.+)>$/.exec(flags) ?? [];
  return value === undefined ? `"${long}"` : `"${long} ${value.toUpperCase()}"`;
}
