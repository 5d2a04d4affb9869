/** Commands of other tools: docker, podman, skopeo, crane, umoci, regctl, oras, helm and tar. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  copy: ["mirror", "sync", "convert", "image copy"],
  pull: ["download", "fetch", "get", "image pull"],
  push: ["upload", "image push"],
  tag: ["image tag"],
  unpack: ["extract", "untar", "flatten"],
  prune: ["gc", "system", "clean", "garbage-collect", "image prune"],
  fsck: ["verify", "validate", "check", "repair"],
  bundle: ["mount", "create", "spec"],
  unbundle: ["umount", "unmount"],
  tags: ["list-tags", "ls-tags", "repo tags"],
  images: ["image", "list", "index", "du", "df", "size", "system df"],
  inspect: ["history", "stat", "show", "describe", "layers", "image inspect", "image history"],
  "inspect --raw": ["manifest"],
  "inspect --config": ["config"],
  ls: ["find", "files", "tree"],
  digest: ["manifest-digest", "resolve", "head"],
  catalog: ["search", "repo", "repos", "repositories"],
  rm: ["rmi", "remove", "untag", "image rm"],
  login: ["auth", "signin", "registry login"],
  logout: ["signout", "auth logout", "registry logout"],
  doctor: ["info"],
  serve: ["registry", "proxy"],
  save: ["backup", "archive", "image save"],
  load: ["restore", "import", "image load"],
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
    ],
  ],
  [
    'oci does not build images; copy those of another tool with "oci copy"',
    [
      ...["build", "buildx", "builder", "commit", "append", "mutate", "rebase", "repack", "init"],
      ...["new", "insert"],
    ],
  ],
  [
    'oci does not sign images; sign them with cosign, and verify them with "oci pull --verify"',
    ["sign", "trust"],
  ],
  [
    'There is no daemon; see "oci run --help"',
    ["network", "volume", "compose", "pod", "service"],
  ],
];

/** Advice by another tool's command: its name, or its first two words. */
export const COMMAND_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(SYNONYMS).flatMap(([command, names]) => {
    return names.map((name): [string, string] => [name, `Use "oci ${command}"`]);
  }),
  ...OTHERS.flatMap(([advice, names]) => names.map((name): [string, string] => [name, advice])),
]);
