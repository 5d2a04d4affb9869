import { assert, assertEquals } from "@std/assert";
import { ociSession } from "../_support/oci_session.ts";
import { peerTest, runPeer } from "../_support/peers.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";

const runOci = ociSession();

const NEEDS = ["skopeo", "umoci", "podman"];

interface Scene extends AsyncDisposable {
  readonly dir: TempDir;
  /** Digest of the manifest and of the config of `DIR/layout:v1`. */
  readonly manifest: string;
  readonly config: string;
  skopeo(...args: string[]): Promise<string>;
  podman(...args: string[]): Promise<string>;
  oci(...args: string[]): Promise<string>;
}

/** An image with a layer in a layout of umoci, and stores of podman and oci. */
async function makeScene(): Promise<Scene> {
  const dir = await makeTempDir({ large: true });
  const layout = dir.join("layout");
  await runPeer("umoci", ["init", "--layout", layout]);
  await runPeer("umoci", ["new", "--image", `${layout}:v1`]);
  await Deno.writeTextFile(dir.join("hello"), "hello from a layer\n");
  await runPeer("umoci", ["insert", "--image", `${layout}:v1`, dir.join("hello"), "/hello"]);
  await runPeer("umoci", ["config", "--image", `${layout}:v1`, "--config.cmd", "/hello"]);
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const skopeo = async (...args: string[]) => {
    return (await runPeer("skopeo", ["--insecure-policy", ...args], { env })).stdout;
  };
  const raw = await skopeo("inspect", "--raw", `oci:${layout}:v1`);
  const { Digest: manifest } = JSON.parse(await skopeo("inspect", `oci:${layout}:v1`));
  return {
    dir,
    manifest,
    config: JSON.parse(raw).config.digest,
    skopeo,
    podman: async (...args) => {
      const storage = ["--root", dir.join("root"), "--runroot", dir.join("runroot")];
      return (await runPeer("podman", [...storage, "--storage-driver=vfs", ...args], { env }))
        .stdout;
    },
    oci: async (...args) => {
      const { code, stdout, stderr } = await runOci(["--quiet", ...args], { env });
      assertEquals(code, 0, stderr);
      return stdout.trimEnd();
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** The config of an image in our store: the image ID. */
async function imageId({ oci }: Scene, reference: string): Promise<string> {
  return JSON.parse(await oci("inspect", "--raw", reference)).config.digest;
}

peerTest({
  name: "oci load reads what skopeo and podman write, digests equal",
  needs: NEEDS,
  root: true,
}, async () => {
  await using scene = await makeScene();
  const { dir, manifest, config, skopeo, podman, oci } = scene;
  const source = `oci:${dir.join("layout")}:v1`;

  await skopeo("copy", source, `oci-archive:${dir.join("skopeo-oci.tar")}:h.io/a:1`);
  await skopeo("copy", source, `docker-archive:${dir.join("skopeo-docker.tar")}:h.io/b:1`);
  await podman("pull", "-q", source);
  await podman("tag", config, "h.io/c:1");
  for (const format of ["oci-archive", "docker-archive"]) {
    await podman(
      "save",
      "-q",
      "--format",
      format,
      "-o",
      dir.join(`podman-${format}.tar`),
      "h.io/c:1",
    );
  }

  assertEquals(await oci("load", dir.join("skopeo-oci.tar")), `h.io/a:1@${manifest}`);
  // Podman compresses again, so its manifest differs.
  const { Digest: digest } = JSON.parse(
    await skopeo("inspect", `oci-archive:${dir.join("podman-oci-archive.tar")}`),
  );
  assertEquals(await oci("load", dir.join("podman-oci-archive.tar")), `h.io/c:1@${digest}`);
  assertEquals(await imageId(scene, "h.io/c:1"), config);
  assert((await oci("load", dir.join("skopeo-docker.tar"))).startsWith("h.io/b:1@"));
  assertEquals(await imageId(scene, "h.io/b:1"), config);
  assert((await oci("load", dir.join("podman-docker-archive.tar"))).startsWith("h.io/c:1@"));
  assertEquals(await imageId(scene, "h.io/c:1"), config);
  assertEquals(await oci("cat", "h.io/b:1", "/hello"), "hello from a layer");
  assertEquals(
    await oci("cat", `docker-archive:${dir.join("podman-docker-archive.tar")}`, "/hello"),
    "hello from a layer",
  );
});

peerTest({
  name: "oci load reads what buildah and podman write for several images",
  needs: [...NEEDS, "buildah"],
  root: true,
}, async () => {
  await using scene = await makeScene();
  const { dir, config, podman, oci } = scene;
  const storage = ["--root", dir.join("root"), "--runroot", dir.join("runroot")];
  const buildah = async (...args: string[]) => {
    const env = { HOME: dir.path };
    const all = [...storage, "--storage-driver=vfs", ...args];
    return (await runPeer("buildah", all, { env })).stdout.trim();
  };
  await podman("pull", "-q", `oci:${dir.join("layout")}:v1`);
  await podman("tag", config, "h.io/base:1", "h.io/base:2");
  const container = await buildah("from", "--pull-never", "h.io/base:1");
  await buildah("config", "--label", "made=by-buildah", container);
  await buildah("commit", "-q", container, "h.io/built:1");
  await buildah("commit", "-q", container, `oci-archive:${dir.join("buildah.tar")}:h.io/built:2`);
  await podman(
    ...["save", "-q", "-m", "-o", dir.join("many.tar"), "h.io/base:1", "h.io/base:2"],
    "h.io/built:1",
  );

  const many = (await oci("load", dir.join("many.tar"))).split("\n");
  const built = await oci("load", dir.join("buildah.tar"));

  assertEquals(
    many.map((line) => line.split("@")[0]).sort(),
    ["h.io/base:1", "h.io/base:2", "h.io/built:1"],
  );
  assert(built.startsWith("h.io/built:2@"));
  assertEquals(await imageId(scene, "h.io/base:2"), config);
  const id = (await podman("image", "inspect", "--format", "{{.Id}}", "h.io/built:1")).trim();
  assertEquals(await imageId(scene, "h.io/built:1"), `sha256:${id}`);
});

peerTest({
  name: "oci save writes what podman and skopeo read, digests equal",
  needs: NEEDS,
  root: true,
}, async () => {
  await using scene = await makeScene();
  const { dir, manifest, config, skopeo, podman, oci } = scene;
  const source = `oci:${dir.join("layout")}:v1`;
  await skopeo("copy", source, `oci-archive:${dir.join("in.tar")}:h.io/a:1`);
  await oci("load", dir.join("in.tar"));
  await skopeo("copy", source, `docker-archive:${dir.join("docker.tar")}:h.io/d:1`);
  await oci("load", dir.join("docker.tar"));

  for (const format of ["oci-archive", "docker-archive"]) {
    const path = dir.join(`${format}.tar`);
    // This podman cannot load OCI archives with several images.
    const more = format === "oci-archive" ? [] : ["h.io/d:1"];
    await oci("save", "--format", format, "h.io/a:1", ...more, "-o", path);
    const loaded = await podman("load", "-i", path);

    for (const name of ["h.io/a:1", ...more]) assert(loaded.includes(name), loaded);
    const image = await podman("image", "inspect", "--format", "{{.Id}} {{.Digest}}", "h.io/a:1");
    const [id, kept] = image.trim().split(" ");
    assertEquals(`sha256:${id}`, config);
    // Podman reads several images by their manifest.json, and makes its own manifests.
    if (format === "oci-archive") assertEquals(kept, manifest);
    await podman("rmi", "-a", "-f");
    const { Digest: digest } = JSON.parse(
      await skopeo("inspect", `oci-archive:${path}:h.io/a:1`),
    );
    assertEquals(digest, manifest);
  }
  const raw = await skopeo(
    "inspect",
    "--raw",
    `docker-archive:${dir.join("docker-archive.tar")}:h.io/d:1`,
  );
  assertEquals(JSON.parse(raw).config.digest, config);
  await oci("save", "--format", "docker-archive", "h.io/d:1", "-o", dir.join("one.tar"));
  await skopeo("copy", `docker-archive:${dir.join("one.tar")}`, `oci:${dir.join("copied")}:v1`);
  await oci("save", "--format", "oci-dir", "h.io/a:1", "-o", dir.join("out"));
  const out = JSON.parse(await skopeo("inspect", `oci:${dir.join("out")}:h.io/a:1`));
  assertEquals(out.Digest, manifest);
});
