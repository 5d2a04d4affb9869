import type { Command } from "./command.ts";

/** Flags of other tools, and the option that replaces them. */
interface ForeignOption {
  readonly flags: readonly string[];
  /** Long form of the option. */
  readonly own: string;
  /** How to use the option: the words after `Use`. */
  readonly use: string;
}

/** Flags of docker, podman, skopeo, crane, umoci, regctl and oras. */
const FOREIGN_OPTIONS: readonly ForeignOption[] = [
  ...["--user", "--registry-user"].map((own) => ({
    flags: ["--creds", "--src-creds", "--dest-creds", "--username", "-u"],
    own,
    use: `"${own} NAME[:PASSWORD]"`,
  })),
  { flags: ["--password", "-p"], own: "--password-stdin", use: '"--password-stdin"' },
  {
    flags: ["--src-registry-token", "--dest-registry-token", "--token"],
    own: "--registry-token",
    use: '"--registry-token TOKEN"',
  },
  {
    flags: ["--src-authfile", "--dest-authfile", "--registry-config"],
    own: "--authfile",
    use: '"--authfile FILE"',
  },
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
    use: '"--ca FILE"',
  },
  { flags: ["--cert-file", "--cert"], own: "--client-cert", use: '"--client-cert FILE"' },
  { flags: ["--key-file", "--key"], own: "--client-key", use: '"--client-key FILE"' },
  { flags: ["--all", "-a", "--multi-arch"], own: "--all-platforms", use: '"--all-platforms"' },
  {
    flags: [
      ...["--os", "--arch", "--variant"],
      ...["--override-os", "--override-arch", "--override-variant"],
    ],
    own: "--platform",
    use: '"--platform OS/ARCH[/VARIANT]"',
  },
  { flags: ["--pull"], own: "--policy", use: '"--policy always|if-not-present|never"' },
  { flags: ["--retry-times", "--retry", "--max-retries"], own: "--retries", use: '"--retries N"' },
  {
    flags: ["--image-parallel-copies", "--concurrency"],
    own: "--jobs",
    use: '"--jobs N"',
  },
  {
    flags: ["--recursive", "-r", "--referrers", "--digest-tags"],
    own: "--with-referrers",
    use: '"--with-referrers"',
  },
  { flags: ["--artifact-type"], own: "--type", use: '"--type TYPE"' },
  { flags: ["--root", "--data-root", "--storage"], own: "--store", use: '"--store DIR"' },
  { flags: ["--format", "-f", "--filter"], own: "--json", use: '"--json", and jq' },
];

/** Adds advice for the flags of other tools that an option of the command replaces. */
export function addForeignHints(command: Command): void {
  for (const { flags, own, use } of FOREIGN_OPTIONS) {
    if (command.find(own) === undefined) continue;
    command.hint(flags.filter((flag) => command.find(flag) === undefined), `Use ${use}`);
  }
}
