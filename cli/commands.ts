import type { CommandTable } from "./frame/program.ts";

/** Every command, in the order in which help lists them. */
export const COMMANDS: CommandTable = new Map([
  ["pull", {
    summary: "pull images into the store, verified",
    load: () => import("./commands/registry/pull.ts"),
  }],
  ["push", {
    summary: "push images from the store to a registry",
    load: () => import("./commands/registry/push.ts"),
  }],
  ["copy", {
    summary: "copy images between registries, layouts and archives",
    load: () => import("./commands/registry/copy.ts"),
  }],
  ["images", {
    summary: "list the images in the store",
    load: () => import("./commands/images/images.ts"),
  }],
  ["inspect", {
    summary: "show an image's manifest, config, layers and platforms",
    load: () => import("./commands/images/inspect.ts"),
  }],
  ["digest", {
    summary: "print the digest of a reference in its registry",
    load: () => import("./commands/registry/digest.ts"),
  }],
  ["tags", {
    summary: "list the tags of a repository",
    load: () => import("./commands/registry/tags.ts"),
  }],
  ["tag", {
    summary: "add a tag to an image in a registry",
    load: () => import("./commands/registry/tag.ts"),
  }],
  ["delete", {
    summary: "delete a tag or a manifest in a registry",
    load: () => import("./commands/registry/delete.ts"),
  }],
  ["catalog", {
    summary: "list the repositories of a registry",
    load: () => import("./commands/registry/catalog.ts"),
  }],
  ["unpack", {
    summary: "unpack an image into a directory",
    load: () => import("./commands/files/unpack.ts"),
  }],
  ["ls", {
    summary: "list the files of an image",
    load: () => import("./commands/files/ls.ts"),
  }],
  ["cat", {
    summary: "print a file of an image",
    load: () => import("./commands/files/cat.ts"),
  }],
  ["export", {
    summary: "write the file system of an image as a tar archive",
    load: () => import("./commands/files/export.ts"),
  }],
  ["bundle", {
    summary: "create an OCI runtime bundle",
    load: () => import("./commands/containers/bundle.ts"),
  }],
  ["unbundle", {
    summary: "unmount and remove a bundle",
    load: () => import("./commands/containers/unbundle.ts"),
  }],
  ["run", {
    summary: "run a command in a container",
    load: () => import("./commands/containers/run.ts"),
  }],
  ["save", {
    summary: "save images to an archive",
    load: () => import("./commands/images/save.ts"),
  }],
  ["load", {
    summary: "load images from an archive into the store",
    load: () => import("./commands/images/load.ts"),
  }],
  ["rm", {
    summary: "remove references from the store",
    load: () => import("./commands/images/rm.ts"),
  }],
  ["prune", {
    summary: "remove unused data from the store",
    load: () => import("./commands/images/prune.ts"),
  }],
  ["fsck", {
    summary: "verify and repair the store",
    load: () => import("./commands/images/fsck.ts"),
  }],
  ["serve", {
    summary: "serve the store as a registry",
    load: () => import("./commands/registry/serve.ts"),
  }],
  ["artifact", {
    summary: "push and pull files as an OCI artifact",
    load: () => import("./commands/registry/artifact.ts"),
  }],
  ["login", {
    summary: "store the credential for a registry",
    load: () => import("./commands/registry/login.ts"),
  }],
  ["logout", {
    summary: "erase the credential for a registry",
    load: () => import("./commands/registry/logout.ts"),
  }],
  ["doctor", {
    summary: "check this machine for problems",
    load: () => import("./commands/host/doctor.ts"),
  }],
  ["permissions", {
    summary: "print the minimum Deno permissions for a command",
    load: () => import("./commands/host/permissions.ts"),
  }],
  ["demo", {
    summary: "show a pull from a built-in registry, step by step",
    load: () => import("./commands/host/demo.ts"),
  }],
  ["completions", {
    summary: "print a shell completion script",
    load: () => import("./commands/host/completions.ts"),
  }],
  ["version", {
    summary: "print the versions of oci and Deno",
    load: () => import("./commands/host/version.ts"),
  }],
]);

/** What commands are called by docker, podman, skopeo, crane, umoci and tar. */
export const COMMAND_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["cp", "copy"],
  ["mirror", "copy"],
  ["sync", "copy"],
  ["download", "pull"],
  ["fetch", "pull"],
  ["upload", "push"],
  ["extract", "unpack"],
  ["untar", "unpack"],
  ["gc", "prune"],
  ["verify", "fsck"],
  ["mount", "bundle"],
  ["umount", "unbundle"],
  ["unmount", "unbundle"],
  ["list-tags", "tags"],
  ["manifest", "inspect"],
  ["rmi", "rm"],
]);
