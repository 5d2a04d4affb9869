import { suggest } from "./command.ts";
import { UsageError } from "./errors.ts";
import type { CommandTable } from "./program.ts";

/**
 * Commands of other tools by the equivalent here: those of docker, podman, skopeo, crane, umoci,
 * regctl, oras, helm and tar. A name may have two words.
 */
const SYNONYMS: Readonly<Record<string, string>> = {
  copy: "mirror, sync, convert, scp, layout",
  pull: "download, fetch, get",
  push: "upload",
  delete: "manifest delete, manifest rm, repo rm",
  unpack: "extract, untar, flatten",
  prune: "gc, system, clean, garbage-collect",
  fsck: "verify, validate, check, repair",
  bundle: "mount, create, spec",
  unbundle: "umount, unmount",
  tags: "list-tags, ls-tags, repo tags",
  images: "image, list, index, du, df, size, system df, image ls, i ls, i",
  inspect: "history, stat, show, describe, layers, exists, image tree",
  "inspect --raw": "manifest",
  "inspect --config": "config",
  ls: "find, files, tree",
  cat: "get-file",
  digest: "manifest-digest, resolve, head, manifest head",
  catalog: "search, repo, repos, repositories",
  rm: "rmi, remove, untag",
  login: "auth, signin",
  "login --get": "auth get",
  logout: "signout",
  doctor: "info",
  serve: "registry, proxy",
  save: "backup, archive, image export, i export",
  load: "restore, import",
  run: "container run",
  "artifact push --subject": "attach",
  "copy --with-referrers": "discover",
  "run -it REF sh": "shell, sh, bash",
};

/** Commands of other tools without an equivalent, by advice. */
const OTHERS: Readonly<Record<string, string>> = {
  'Use "oci copy" for an image, or "oci cat" for a file of one': "cp",
  'There is no daemon; a container lives as long as its "oci run"':
    "ps, stop, kill, start, restart, exec, logs, top, wait, container, containers, stats, diff, " +
    "events, port, pause, unpause, rename, tasks",
  'oci does not build images; copy those of another tool with "oci copy"':
    "build, buildx, builder, commit, append, mutate, rebase, repack, init, new, insert, edit",
  'oci does not sign images; sign them with cosign, and verify them with "oci pull --verify"':
    "sign, standalone-sign, trust",
  'There is no daemon; see "oci run --help"':
    "network, volume, compose, pod, service, kube, play, machine, secret",
};

/** Words before the commands of other tools, such as `docker image pull`. */
const GROUPS: ReadonlySet<string> = new Set(["image", "i", "registry", "auth", "raw"]);

/** Advice by another tool's command: its name, or its first two words. */
export const ADVICE: ReadonlyMap<string, string> = new Map(
  [
    ...Object.entries(SYNONYMS).map(([command, names]) => [`Use "oci ${command}"`, names] as const),
    ...Object.entries(OTHERS),
  ].flatMap(([advice, names]) => names.split(", ").map((name) => [name, advice] as const)),
);

/**
 * Rejects an unknown command with advice: the equivalent of another tool's command, or a similar
 * name.
 *
 * @param rest Words after the name, of which the first may belong to the command.
 * @throws {UsageError} Always.
 */
export function refuseCommand(
  name: string,
  commands: CommandTable,
  [second = ""]: readonly string[] = [],
): never {
  const inGroup = commands.has(second) ? `Use "oci ${second}"` : ADVICE.get(second);
  const advice = ADVICE.get(`${name} ${second}`) ??
    (GROUPS.has(name) ? inGroup : undefined) ??
    ADVICE.get(name) ??
    suggest(name, [...commands.keys(), "help"]) ??
    'See "oci --help"';
  throw new UsageError(`unknown command "${name}"`, advice);
}
