import { gzipSync } from "node:zlib";
import { tarHeader, tarPadding } from "../../layer/tar/tar_writer.ts";
import { type Digest, digestOf } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../spec/image/media_types.ts";
import { type DemoArchitecture, demoProgram } from "./_demo_elf.ts";

/** An entry of one of the demo's layers. */
interface DemoEntry {
  readonly type: keyof typeof MODES;
  readonly path: string;
  /** Content of a file. */
  readonly bytes?: Uint8Array;
  /** Target of a link. */
  readonly target?: string;
  /** Permissions; by default, those that are usual for the type. */
  readonly mode?: number;
  /** User and group ID; by default, 0. */
  readonly owner?: number;
}

const MODES = { file: 0o644, directory: 0o755, symlink: 0o777, hardlink: 0o777 };

/** The demo's image: an index and all of its blobs. */
export interface DemoImage {
  readonly descriptor: Descriptor;
  /** Descriptors of the index and the manifests. */
  readonly manifests: readonly Descriptor[];
  /** Documents and layers by digest. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array<ArrayBuffer>>;
}

/** Returns the text that the demo's program prints. */
export function demoGreeting(architecture: DemoArchitecture): string {
  return `Hello from @x/oci on linux/${architecture}!\n`;
}

/**
 * Builds an image for two platforms that covers many features: layers in two compressions, two of
 * them shared by the platforms, a whiteout, an opaque directory, a symbolic and a hard link, a
 * sticky directory, a custom user, and a static program.
 */
export function buildDemoImage(): DemoImage {
  const blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  const keep = (mediaType: string, bytes: Uint8Array<ArrayBuffer>): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const json = (mediaType: string, value: object) => keep(mediaType, encode(JSON.stringify(value)));

  const manifests = (["amd64", "arm64"] as const).map((architecture) => {
    const tars = [baseLayer(), programLayer(architecture), tidyLayer()].map(demoTar);
    const layers = tars.map((tar, i) => {
      // The last layer stays uncompressed.
      return i === 2 ? keep(OCI_LAYER, tar) : keep(`${OCI_LAYER}+gzip`, compress(tar));
    });
    const config = json(OCI_CONFIG, configOf(architecture, tars.map((tar) => digestOf(tar))));
    const manifest = json(OCI_MANIFEST, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers,
    });
    return { ...manifest, platform: { os: "linux", architecture } };
  });
  const descriptor = json(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  return { descriptor, manifests: [descriptor, ...manifests], blobs };
}

function baseLayer(): readonly DemoEntry[] {
  return [
    { type: "directory", path: "etc" },
    file(
      "etc/passwd",
      "root:x:0:0:root:/root:/sbin/nologin\ndemo:x:1000:1000::/home/demo:/bin/hello\n",
    ),
    file("etc/group", "root:x:0:\ndemo:x:1000:\n"),
    { type: "directory", path: "home" },
    { type: "directory", path: "home/demo", owner: 1000 },
    { type: "directory", path: "tmp", mode: 0o1777 },
    { type: "directory", path: "usr" },
    { type: "directory", path: "usr/bin" },
    { type: "directory", path: "usr/share" },
    file("usr/share/build-notes", "A later layer removes this file.\n"),
    { type: "directory", path: "var" },
    { type: "directory", path: "var/cache" },
    file("var/cache/old", "A later layer hides this directory's content.\n"),
  ];
}

function programLayer(architecture: DemoArchitecture): readonly DemoEntry[] {
  const bytes = demoProgram(architecture, demoGreeting(architecture));
  return [
    { type: "symlink", path: "bin", target: "usr/bin" },
    { type: "file", path: "usr/bin/hello", bytes, mode: 0o755 },
    { type: "hardlink", path: "usr/bin/greet", target: "usr/bin/hello" },
  ];
}

function tidyLayer(): readonly DemoEntry[] {
  return [
    file("usr/share/.wh.build-notes", ""),
    file("var/cache/.wh..wh..opq", ""),
    file("var/cache/new", "All that is left here.\n"),
  ];
}

function configOf(architecture: DemoArchitecture, diffIds: readonly Digest[]): object {
  const created = "1970-01-01T00:00:00Z";
  return {
    created,
    os: "linux",
    architecture,
    config: {
      User: "demo",
      Env: ["PATH=/bin", "GREETING=hello"],
      Entrypoint: ["/bin/hello"],
      WorkingDir: "/home/demo",
      Labels: { "org.opencontainers.image.title": "The demo of @x/oci" },
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: [
      { created, created_by: "base files and a user" },
      { created, created_by: "a static program, and links to it" },
      { created, created_by: "remove what only the build needed" },
      { created, created_by: "USER demo", empty_layer: true },
    ],
  };
}

function file(path: string, text: string): DemoEntry {
  return { type: "file", path, bytes: encode(text) };
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes));
}

/** Writes a layer as a tar archive. All times are 1970, so that equal entries give equal bytes. */
function demoTar(entries: readonly DemoEntry[]): Uint8Array<ArrayBuffer> {
  const parts = entries.flatMap((entry) => {
    const { type, path, bytes = new Uint8Array(), target = "", owner = 0 } = entry;
    const header = tarHeader({
      type,
      path,
      linkname: target,
      mode: entry.mode ?? MODES[type],
      uid: owner,
      gid: owner,
      size: bytes.length,
    });
    return [header, bytes, tarPadding(bytes.length)];
  });
  return new Uint8Array([...parts, new Uint8Array(1024)].flatMap((part) => [...part]));
}
