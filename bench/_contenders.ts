import type { Contender } from "./_measure.ts";
import type { PushedImage } from "./_pushed_image.ts";
import { OCI } from "./_shell.ts";
import type { Workplace } from "./_workplace.ts";

/** Work that the contenders do with an image in a registry. */
export type Work = "pull" | "unpack" | "ready";

/** Each kind of work in words. */
export const WORK_TITLES: Readonly<Record<Work, string>> = {
  pull: "into the store",
  unpack: "to files",
  ready: "ready for crun",
};

/** Programs that each kind of work needs, in addition to those of every benchmark. */
export const WORK_NEEDS: Readonly<Record<Work, readonly string[]>> = {
  pull: [],
  unpack: ["podman", "umoci", "curl", "igzip", "bsdtar"],
  ready: ["podman"],
};

/** Returns the commands that do the work. The first one is ours, to compare the others with. */
export function contendersFor(
  work: Work,
  image: PushedImage,
  place: Workplace,
): readonly Contender[] {
  switch (work) {
    case "pull":
      return pulling(image, place);
    case "unpack":
      return unpacking(image, place);
    case "ready":
      return readying(image, place);
  }
}

function pulling(image: PushedImage, place: Workplace): readonly Contender[] {
  const prepare = () => place.clear();
  const pull = `${OCI} pull --quiet --store ${place.join("store")} ${image.reference}`;
  return [
    { name: "`oci pull`", ours: true, command: pull, prepare },
    // Finds the image that the previous contender has pulled.
    { name: "`oci pull`, warm", ours: true, command: pull },
    { name: "`skopeo copy`", command: skopeo(image, place), prepare },
  ];
}

function unpacking(image: PushedImage, place: Workplace): readonly Contender[] {
  const { recipe, reference } = image;
  const prepare = () => place.clear();
  return [
    {
      name: "`oci unpack`",
      ours: true,
      command: `${OCI} unpack --quiet --store ${place.join("store")} ${reference} ` +
        place.join("root"),
      prepare,
    },
    {
      name: "`podman pull`",
      command: `${place.podman} pull -q --tls-verify=false ${reference}`,
      prepare,
    },
    {
      name: "`skopeo copy`, `umoci unpack`",
      command: `${skopeo(image, place)} && ` +
        `umoci unpack --image ${place.join("skopeo")}:${recipe.name} ${place.join("umoci")}`,
      prepare,
    },
    {
      name: "`curl`, `igzip`, `bsdtar`, `sha256sum` in pipes",
      command: pipeline(image, place),
      prepare,
    },
  ];
}

/**
 * Neither command starts the container. podman mounts it and writes its bundle only at the start.
 */
function readying({ reference }: PushedImage, place: Workplace): readonly Contender[] {
  const prepare = () => place.clear();
  return [
    {
      name: "`oci bundle`",
      ours: true,
      command: `${OCI} bundle --quiet --bundler overlay --store ${place.join("store")} ` +
        `${reference} ${place.join("bundle")}`,
      prepare,
    },
    {
      name: "`podman create`",
      command: `${place.podman} create -q --network none --tls-verify=false ${reference}`,
      prepare,
    },
  ];
}

function skopeo({ recipe, reference }: PushedImage, place: Workplace): string {
  return "skopeo copy -q --insecure-policy --src-tls-verify=false " +
    `docker://${reference} oci:${place.join("skopeo")}:${recipe.name}`;
}

/**
 * Keeps, verifies, decompresses, verifies and extracts one layer after another. Uses named pipes,
 * because bash neither waits for a process substitution nor notices its failure.
 */
function pipeline({ blobsUrl, layers }: PushedImage, place: Workplace): string {
  const script = `
    set -e
    cd ${place.path}
    mkdir root blobs
    mkfifo blob tar
    check() { [ "$(sha256sum <$1)" = "$2  -" ] || { echo "$1 is not $2" >&2; return 1; }; }
    layer() {
      check blob $1 & blob=$!
      check tar $2 & tar=$!
      curl -sSf ${blobsUrl}/sha256:$1 | tee blobs/$1 blob | igzip -dc | tee tar | bsdtar -xpf - -C root
      wait $blob
      wait $tar
    }`;
  const hex = (digest: string) => digest.replace("sha256:", "");
  const calls = layers.map(({ digest, diffId }) => `layer ${hex(digest)} ${hex(diffId)}`);
  return [script, ...calls].join("\n");
}
