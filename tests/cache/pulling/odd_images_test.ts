import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { copy, load, pull, save, unpack } from "../../../mod.ts";
import { serveRegistry } from "../../../registry/mod.ts";
import { present } from "../../../spec/json.ts";
import { OCI_MANIFEST, parseManifest, type Platform } from "../../../spec/mod.ts";
import { ContentStore, exportImage, UncompressedBundler } from "../../../store/mod.ts";
import {
  blobOf,
  buildArtifact,
  buildImage,
  type BuildImageOptions,
  buildIndex,
  type Built,
  jsonBlob,
  MemoryContent,
  nestedIndex,
  withBlobs,
} from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { linuxTest } from "../../_support/skip.ts";
import { dir, file, gzip, tar, toUint8Array } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const PLATFORM = "linux/amd64";
const BASE = tar(dir("data"), file("data/a", "one"));

function image(options: BuildImageOptions = {}): Built {
  return buildImage({
    platform: PLATFORM,
    layers: [BASE],
    config: { Entrypoint: ["/bin/true"] },
    ...options,
  });
}

function windows(version: string, features?: readonly string[]): Built {
  const platform: Platform = {
    os: "windows",
    architecture: "amd64",
    "os.version": version,
    ...present({ "os.features": features }),
  };
  const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  const descriptor = { urls: ["https://mcr.example/layer"] };
  const layers = [{ tar: tar(file("Files/v", version)), mediaType, descriptor }];
  return buildImage({ platform, layers, mediaTypes: "docker", config: { Cmd: ["cmd"] } });
}

/** A chart, a module or a signature: an archive with the config of another tool. */
function artifact(configType: string, layerType: string): Built {
  const config = blobOf(configType, toUint8Array('{"name":"chart","version":"1.0.0"}'));
  const layer = blobOf(layerType, new Uint8Array(gzip(tar(file("chart/Chart.yaml", "name: x")))));
  const manifest = {
    schemaVersion: 2,
    config: config.descriptor,
    layers: [layer.descriptor],
  };
  return withBlobs(jsonBlob(OCI_MANIFEST, manifest), [config, layer]);
}

/** The steps of {@linkcode use}. */
type Step = "pull" | "unpack" | "list" | "export" | "bundle" | "save" | "load" | "copy";

interface OddImage {
  readonly name: string;
  readonly built: Built;
  /** Message of the error, and the first step that it stops. */
  readonly refused?: { readonly from: Step; readonly message: string };
}

const IMAGES: readonly OddImage[] = [
  { name: "indexes in indexes", built: nestedIndex(3, image()) },
  {
    name: "an index of indexes and artifacts without platforms",
    built: buildIndex([
      buildArtifact({ artifactType: "application/vnd.example" }),
      buildIndex([image({ platform: "linux/arm64" })]),
      buildIndex([image(), image({ platform: "linux/s390x" })]),
    ]),
  },
  {
    name: "several versions of Windows, and Linux",
    built: buildIndex([windows("10.0.17763.1"), windows("10.0.20348.5", ["win32k"]), image()]),
  },
  {
    name: "empty layers of every kind",
    built: image({
      layers: [
        tar(),
        BASE,
        { tar: new Uint8Array(10_240), compression: "none" },
        { tar: new Uint8Array(), compression: "none" },
        { tar: tar(), compression: "zstd" },
      ],
    }),
  },
  {
    name: "layers with every compression, and the same layer twice",
    built: image({
      layers: [
        { tar: BASE, compression: "zstd" },
        { tar: tar(file("data/b", "b")), compression: "none" },
        BASE,
        BASE,
      ],
    }),
  },
  {
    name: "a layer with the media type of another compression",
    built: image({
      layers: [{
        tar: BASE,
        compression: "zstd",
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      }],
    }),
  },
  { name: "a shorter history", built: image({ configBlob: { history: [] } }) },
  {
    name: "a longer history, with null entries",
    built: image({ configBlob: { history: [null, { created_by: "a" }, { empty_layer: null }] } }),
  },
  {
    name: "a config of nulls",
    built: image({
      configBlob: {
        created: null,
        author: null,
        history: null,
        variant: null,
        "os.version": null,
        "os.features": null,
        config: {
          Entrypoint: ["/bin/true"],
          Cmd: null,
          Env: null,
          User: null,
          WorkingDir: null,
          ExposedPorts: { "80/tcp": null },
          Volumes: null,
          Labels: { a: null },
        },
      },
    }),
  },
  {
    name: "a config without a platform",
    built: image({ configBlob: { os: undefined, architecture: undefined } }),
  },
  { name: "digests by sha512", built: image({ algorithm: "sha512" }) },
  {
    name: "an image without a command",
    built: image({ configBlob: { config: null } }),
    refused: { from: "bundle", message: "there is no command to run" },
  },
  {
    name: "an image for Windows only",
    built: windows("10.0.17763.1"),
    refused: { from: "bundle", message: "it is for windows(10.0.17763.1)/amd64, not for Linux" },
  },
  {
    name: "a layer of an unknown type",
    built: image({ layers: [BASE, { tar: BASE, mediaType: "application/vnd.example.layer" }] }),
    refused: { from: "unpack", message: 'its media type "application/vnd.example.layer" is not' },
  },
  {
    name: "fewer DiffIDs than layers",
    built: image({ configBlob: { rootfs: { type: "layers", diff_ids: [] } } }),
    refused: { from: "pull", message: "0 in its config" },
  },
  {
    name: "a helm chart",
    built: artifact(
      "application/vnd.cncf.helm.config.v1+json",
      "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    ),
    refused: { from: "pull", message: "it is an artifact of type" },
  },
  {
    name: "a WebAssembly module",
    built: artifact("application/vnd.wasm.config.v0+json", "application/wasm"),
    refused: { from: "pull", message: "it is an artifact of type" },
  },
  {
    name: "a signature of notation",
    built: buildArtifact({ artifactType: "application/vnd.cncf.notary.signature" }),
    refused: { from: "pull", message: 'type "application/vnd.cncf.notary.signature"' },
  },
];

/** Uses an image in every way. Returns the error of each step that fails. */
async function use(reference: string, directory: string): Promise<ReadonlyMap<Step, unknown>> {
  const failures = new Map<Step, unknown>();
  const options = { store: `${directory}/store`, platform: PLATFORM };
  const attempt = async (step: Step, task: () => Promise<unknown>) => {
    try {
      await task();
    } catch (error) {
      failures.set(step, error);
    }
  };
  await attempt("pull", () => pull(reference, options));
  await attempt("unpack", async () => {
    const root = `${directory}/rootfs`;
    await unpack(reference, root, { ...options, ownership: "squash" });
    if (await pathExists(`${root}/data`)) {
      assertEquals(await Deno.readTextFile(`${root}/data/a`), "one");
    }
  });
  await attempt("list", async () => {
    const files = await (await pull(reference, options)).files();
    await Array.fromAsync(files.list());
  });
  await attempt("export", async () => {
    const store = await ContentStore.open(options.store);
    await new Response(exportImage(store, await pull(reference, options))).bytes();
  });
  await attempt("bundle", async () => {
    const bundler = new UncompressedBundler(await ContentStore.open(options.store));
    await using bundle = await bundler.bundle(await pull(reference, options), "odd");
    assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/data/a`), "one");
  });
  await attempt("save", async () => {
    for (const format of ["oci-archive", "docker-archive", "oci-dir"] as const) {
      await save(reference, `${directory}/${format}`, { store: options.store, format });
    }
  });
  await attempt("load", async () => {
    for (const format of ["oci-archive", "docker-archive"] as const) {
      await load(`${directory}/${format}`, { store: `${directory}/${format}-store` });
    }
  });
  await attempt("copy", () => copy(reference, `oci:${directory}/copy:odd`));
  return failures;
}

async function pathExists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Steps that read the layers. */
const READING: readonly Step[] = ["unpack", "list", "export", "bundle"];
/** Steps that fail if an image is refused, by the first of them. */
const STOPPED: Readonly<Partial<Record<Step, readonly Step[]>>> = {
  pull: ["pull", ...READING, "save", "load"],
  unpack: READING,
  bundle: ["bundle"],
};

for (const { name, built, refused } of IMAGES) {
  linuxTest(`pull(), unpack(), save(), load() and copy() accept or refuse ${name}`, async () => {
    await using temp = await makeTempDir();
    await using server = await serveRegistry(new MemoryContent().add("odd", "1", built));

    const failures = await use(`${server.host}/odd:1`, temp.path);

    const stopped = refused === undefined ? [] : STOPPED[refused.from] ?? [];
    assertEquals([...failures.keys()], stopped, String([...failures.values()][0]));
    const [first] = failures.values();
    if (refused === undefined) return;
    assertInstanceOf(first, Error);
    assertStringIncludes(first.message, refused.message);
    assertEquals(first.message.includes("\n"), false);
  });
}

Deno.test("pull() warns of a time without a zone", async () => {
  await using temp = await makeTempDir();
  // As Python's isoformat() writes it.
  const created = "2024-01-02T03:04:05.123456";
  const [now, then] = [
    image({ configBlob: { created } }),
    image({ configBlob: { history: [{}, { created }] } }),
  ];
  const content = new MemoryContent().add("odd", "now", now).add("odd", "then", then);
  await using server = await serveRegistry(content);
  const layout = `oci:${temp.join("layout")}:now`;
  await copy(`${server.host}/odd:now`, layout);

  for (const reference of [`${server.host}/odd:now`, `${server.host}/odd:then`, layout]) {
    // The second time, the image is in the store.
    for (const _ of [1, 2]) {
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      await pull(reference, { store: temp.join("store"), platform: PLATFORM, onWarning });

      assertEquals(warnings.length, 1);
      assertStringIncludes(warnings[0] ?? "", `has the time "${created}" without a time zone`);
    }
  }
});

Deno.test("parseManifest() refuses schema 1 with its reason", () => {
  const text = JSON.stringify({ schemaVersion: 1, name: "a", tag: "1", fsLayers: [], history: [] });
  let message = "";
  try {
    parseManifest(toUint8Array(text), "application/vnd.docker.distribution.manifest.v1+prettyjws");
  } catch (error) {
    message = (error as Error).message;
  }

  assertEquals(
    message,
    "Cannot read the manifest: schema 1 of Docker images is no longer supported. " +
      "Push the image again with a current version of Docker or Podman",
  );
});
