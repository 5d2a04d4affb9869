/** Commands of other tools: docker, podman, skopeo, crane, umoci, regctl, oras and tar. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  copy: ["cp", "mirror", "sync", "convert"],
  pull: ["download", "fetch", "get"],
  push: ["upload"],
  unpack: ["extract", "untar", "flatten"],
  prune: ["gc", "system", "clean", "garbage-collect"],
  fsck: ["verify", "validate", "check", "repair"],
  bundle: ["mount", "create", "spec"],
  unbundle: ["umount", "unmount"],
  tags: ["list-tags", "ls-tags"],
  images: ["image", "list", "index", "du", "df", "size"],
  inspect: ["history", "stat", "show", "describe", "layers"],
  "inspect --raw": ["manifest"],
  "inspect --config": ["config"],
  ls: ["find", "files", "tree"],
  digest: ["manifest-digest", "resolve", "head"],
  catalog: ["search", "repo", "repos", "repositories"],
  rm: ["rmi", "remove", "untag"],
  login: ["auth", "signin"],
  doctor: ["info"],
  serve: ["registry", "proxy"],
  save: ["backup", "archive"],
  load: ["restore", "import"],
  "artifact push --subject": ["attach"],
  "copy --with-referrers": ["discover"],
  "run -it REF sh": ["shell", "sh", "bash"],
};

/** Advice for commands that do not exist here. */
const OTHERS: readonly (readonly [advice: string, names: readonly string[]])[] = [
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
    ],
  ],
  [
    'oci does not build images; copy those of another tool with "oci copy"',
    ["build", "commit", "append", "mutate", "rebase", "repack", "init", "insert"],
  ],
  [
    'There is no daemon; see "oci run --help"',
    ["network", "volume", "compose", "pod", "service"],
  ],
];

/** Advice by the name of another tool's command. */
export const COMMAND_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(SYNONYMS).flatMap(([command, names]) => {
    return names.map((name): [string, string] => [name, `Use "oci ${command}"`]);
  }),
  ...OTHERS.flatMap(([advice, names]) => names.map((name): [string, string] => [name, advice])),
]);
