import type { Command, Option } from "./command.ts";

/** Flags of other tools, separated by spaces. */
type Flags = string;

const NO_BRIDGE = 'There is no daemon that maps ports; use "--network host"';

/** Flags of `docker run` and `podman run` that do not exist here, with advice. */
const CONTAINER_HINTS: readonly (readonly [Flags, advice: string])[] = [
  ["-d --detach", 'There is no daemon; use "&" of the shell, or a service manager'],
  ["--restart", "There is no daemon; use a service manager, such as systemd"],
  ["-p --publish -P --publish-all --expose --ip --ip6", NO_BRIDGE],
  ["--link --network-alias --mac-address --pod", NO_BRIDGE],
  ["--add-host --hosts-file", 'Use "--mount FILE:/etc/hosts:ro"'],
  ["--dns --dns-opt --dns-option --dns-search", 'Use "--mount FILE:/etc/resolv.conf:ro"'],
  ["--tmpfs", 'Use "--mount type=tmpfs,target=DIR"'],
  ["--shm-size", 'Use "--mount type=tmpfs,target=/dev/shm,tmpfs-size=SIZE"'],
  ["--init", "Leave it out; the command gets signals directly"],
  [
    "-a --attach --sig-proxy --detach-keys --stop-signal",
    "Leave it out; streams and signals are forwarded",
  ],
  ["--log-driver --log-opt", "Redirect stdout and stderr"],
  ["--cidfile --replace", 'Choose the name with "--name"'],
  [
    "--health-cmd --health-interval --health-retries --health-start-interval " +
    "--health-start-period --health-timeout --no-healthcheck",
    "There is no daemon that checks its health",
  ],
  ["--volumes-from --volume-driver", 'Use "--mount SOURCE:TARGET"'],
  ["--secret", 'Use "--mount FILE:/run/secrets/NAME:ro"'],
  ["--env-file", 'Use "--env NAME=VALUE" for each variable'],
  ["--env-host", 'Use "--env NAME" for each variable'],
  ["--http-proxy", "Leave it out; no variable is inherited without --env"],
  ["--tz", 'Use "--env TZ=ZONE"'],
  ["--userns", 'Use "--rootless", or "--uid-map C:H:N" as root'],
  ["--uidmap --subuidname", 'Use "--uid-map C:H:N"'],
  ["--gidmap --subgidname", 'Use "--gid-map C:H:N"'],
  ["--cpu-period --cpu-quota", 'Use "--cpu QUANTITY"'],
  ["-l --label --label-file --annotation", "Leave it out; there is no list of containers"],
  ["--log-level", 'Use "--debug"'],
  [
    "--privileged --cap-add --cap-drop --security-opt --group-add --gpus --device " +
    "--device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps " +
    "--device-write-iops --blkio-weight --blkio-weight-device --cgroup-parent --cgroupns " +
    "--cgroups --pid --ipc --uts --domainname -c --cpu-shares --cpuset-cpus --cpuset-mems " +
    "--cpu-rt-period --cpu-rt-runtime --kernel-memory --memory-reservation --memory-swap " +
    "--memory-swappiness --oom-kill-disable --oom-score-adj --pids-limit --ulimit --sysctl " +
    "--umask --unsetenv --no-hosts",
    'Use "oci bundle", and edit its config.json',
  ],
];

/**
 * Flags of docker, podman, skopeo, crane, umoci, regctl and oras, the option that replaces them, and
 * how to use it: the words after `Use` (default: the option with its value).
 */
const FOREIGN_OPTIONS: readonly (readonly [Flags, own: string, use?: string])[] = [
  // In a container command, "--user" is the user in the container.
  ["--creds --src-creds --dest-creds --username -u", "--registry-user"],
  ["--creds --src-creds --dest-creds --username -u", "--user"],
  ["--port -p -l --addr --address --host", "--listen"],
  ["--password -p", "--password-stdin"],
  ["--src-registry-token --dest-registry-token --token", "--registry-token"],
  ["--src-authfile --dest-authfile --registry-config", "--authfile"],
  [
    "--tls-verify --src-tls-verify --dest-tls-verify --insecure -k --tls --insecure-registry " +
    "--insecure-skip-tls-verify --insecure-policy",
    "--plain-http",
    '"--plain-http" for HTTP, or "--ca FILE" to trust a certificate',
  ],
  ["--cert-dir --src-cert-dir --dest-cert-dir --ca-file --cacert", "--ca"],
  ["--cert-file --cert", "--client-cert"],
  ["--key-file --key", "--client-key"],
  ["--all -a --multi-arch", "--all-platforms"],
  [
    "--os --arch --variant --override-os --override-arch --override-variant",
    "--platform",
    '"--platform OS/ARCH[/VARIANT]"',
  ],
  ["--pull", "--policy", '"--policy always|if-not-present|never"'],
  ["--retry-times --retry --max-retries", "--retries"],
  ["--image-parallel-copies --concurrency", "--jobs"],
  ["--recursive -r --referrers --digest-tags", "--with-referrers"],
  ["--allow-nondistributable-artifacts", "--copy-foreign"],
  ["--artifact-type", "--type"],
  ["--image", "--policy", '"oci:DIR:NAME" as the reference'],
  ["--root --layout --data-root --storage --disk", "--store"],
  ["-a", "--all"],
  ["-f --force", "--yes"],
  ["-f --overwrite", "--force"],
  ["-f --fix", "--repair"],
  ["--get-login", "--get"],
  ["--filter --until", "--older-than"],
  ["--signature-policy --disable-content-trust", "--verify"],
  ["--format -f --filter --digests --no-trunc", "--json", '"--json", and jq'],
];

/** Adds advice for the flags of other tools, as far as it makes sense for the command. */
export function addForeignHints(command: Command): void {
  const hint = (flags: Flags, advice: string) => {
    for (const flag of flags.split(" ")) if (!command.has(flag)) command.hint(flag, advice);
  };
  if (command.has("--entrypoint")) {
    for (const [flags, advice] of CONTAINER_HINTS) hint(flags, advice);
  }
  for (const [flags, own, use] of FOREIGN_OPTIONS) {
    const option = command.find(own);
    if (option !== undefined) hint(flags, `Use ${use ?? withValue(option)}`);
  }
}

/** Formats an option and its value, such as `"--authfile FILE"`. */
function withValue({ long, flags }: Option): string {
  const [, value] = / <(.+)>$/.exec(flags) ?? [];
  return value === undefined ? `"${long}"` : `"${long} ${value.toUpperCase()}"`;
}
