/** Commands of other tools: docker, podman, skopeo, crane, umoci, regctl, oras, helm and tar. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  copy: ["mirror", "sync", "convert", "scp", "layout"],
  pull: ["download", "fetch", "get"],
  push: ["upload"],
  delete: ["manifest delete", "manifest rm", "repo rm"],
  unpack: ["extract", "untar", "flatten"],
  prune: ["gc", "system", "clean", "garbage-collect"],
  fsck: ["verify", "validate", "check", "repair"],
  bundle: ["mount", "create", "spec"],
  unbundle: ["umount", "unmount"],
  tags: ["list-tags", "ls-tags", "repo tags"],
  images: ["image", "list", "index", "du", "df", "size", "system df", "image ls", "i ls", "i"],
  inspect: ["history", "stat", "show", "describe", "layers", "exists", "image tree"],
  "inspect --raw": ["manifest"],
  "inspect --config": ["config"],
  ls: ["find", "files", "tree"],
  cat: ["get-file"],
  digest: ["manifest-digest", "resolve", "head", "manifest head"],
  catalog: ["search", "repo", "repos", "repositories"],
  rm: ["rmi", "remove", "untag"],
  login: ["auth", "signin"],
  "login --get": ["auth get"],
  logout: ["signout"],
  doctor: ["info"],
  serve: ["registry", "proxy"],
  save: ["backup", "archive", "image export", "i export"],
  load: ["restore", "import"],
  run: ["container run"],
  "artifact push --subject": ["attach"],
  "copy --with-referrers": ["discover"],
  "run -it REF sh": ["shell", "sh", "bash"],
};

/** Advice for commands that do not exist here. */
const OTHERS: readonly (readonly [advice: string, names: readonly string[]])[] = [
  ['Use "oci copy" for an image, or "oci cat" for a file of one', ["cp"]],
  [
    'There is no daemon; a container lives as long as its "oci run"',
    [
      "ps",
      "stop",
      "kill",
      "start",
      "restart",
      "exec",
      "logs",
      "top",
      "wait",
      "container",
      "containers",
      "stats",
      "diff",
      "events",
      "port",
      "pause",
      "unpause",
      "rename",
      "tasks",
    ],
  ],
  [
    'oci does not build images; copy those of another tool with "oci copy"',
    [
      ...["build", "buildx", "builder", "commit", "append", "mutate", "rebase", "repack", "init"],
      ...["new", "insert", "edit"],
    ],
  ],
  [
    'oci does not sign images; sign them with cosign, and verify them with "oci pull --verify"',
    ["sign", "standalone-sign", "trust"],
  ],
  [
    'There is no daemon; see "oci run --help"',
    ["network", "volume", "compose", "pod", "service", "kube", "play", "machine", "secret"],
  ],
];

/** Words before the commands of other tools, such as `docker image pull`. */
const GROUPS: ReadonlySet<string> = new Set(["image", "i", "registry", "auth", "raw"]);

/**
 * Returns advice for another tool's command, by its first two words or its first one.
 *
 * @param isCommand Whether a command exists.
 */
export function adviceFor(
  name: string,
  second: string | undefined,
  isCommand: (name: string) => boolean,
): string | undefined {
  const both = COMMAND_SYNONYMS.get(`${name} ${second}`);
  if (both !== undefined) return both;
  if (second !== undefined && GROUPS.has(name)) {
    const inGroup = isCommand(second) ? `Use "oci ${second}"` : COMMAND_SYNONYMS.get(second);
    if (inGroup !== undefined) return inGroup;
  }
  return COMMAND_SYNONYMS.get(name);
}

/** Advice by another tool's command: its name, or its first two words. */
export const COMMAND_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(SYNONYMS).flatMap(([command, names]) => {
    return names.map((name): [string, string] => [name, `Use "oci ${command}"`]);
  }),
  ...OTHERS.flatMap(([advice, names]) => names.map((name): [string, string] => [name, advice])),
]);
