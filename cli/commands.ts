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
    summary: "print the digest that the registry gives for a reference",
    load: () => import("./commands/registry/digest.ts"),
  }],
  ["tags", {
    summary: "list the tags of a repository",
    load: () => import("./commands/registry/tags.ts"),
  }],
  ["tag", {
    summary: "give an image in a registry another tag",
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
    summary: "write the files of an image as a tar archive",
    load: () => import("./commands/files/export.ts"),
  }],
  ["bundle", {
    summary: "make a bundle that OCI runtimes run",
    load: () => import("./commands/containers/bundle.ts"),
  }],
  ["unbundle", {
    summary: "unmount and remove a bundle",
    load: () => import("./commands/containers/unbundle.ts"),
  }],
  ["run", {
    summary: "run a command in a container of an image",
    load: () => import("./commands/containers/run.ts"),
  }],
  ["save", {
    summary: "save images to an archive",
    load: () => import("./commands/images/save.ts"),
  }],
  ["load", {
    summary: "load the images of an archive into the store",
    load: () => import("./commands/images/load.ts"),
  }],
  ["rm", {
    summary: "remove references from the store",
    load: () => import("./commands/images/rm.ts"),
  }],
  ["prune", {
    summary: "free what nothing in the store names",
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
    summary: "push files as an artifact, and pull them",
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
    summary: "tell what this machine offers and what is in the way",
    load: () => import("./commands/host/doctor.ts"),
  }],
  ["permissions", {
    summary: "print the least Deno permissions that serve a command",
    load: () => import("./commands/host/permissions.ts"),
  }],
  ["demo", {
    summary: "pull a built-in image from a built-in registry, step by step",
    load: () => import("./commands/host/demo.ts"),
  }],
  ["completions", {
    summary: "print a completion script for a shell",
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
