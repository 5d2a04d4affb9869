import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { UntarStream } from "../../layer/mod.ts";
import { copy, load, pull, save } from "../../mod.ts";
import { hostPlatform } from "../../registry/mod.ts";
import { formatPlatform } from "../../spec/mod.ts";
import { ContentStore, exportImage, unpackImage } from "../../store/mod.ts";
import { peerTest, runPeer } from "../_support/peers.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";

/** Files of every image by path, in the form of {@linkcode readFiles}. */
const FILES: Readonly<Record<string, string>> = {
  "data/hard": "one",
  "data/kept": "one",
  "data/link": "-> kept",
  "data/second": "two",
  "etc/passwd": "root:x:0:0::/:/bin/sh\n",
};
const ARCHITECTURE = hostPlatform().architecture;
const CONTAINERFILE = `FROM localhost/base:1
ENV A=B
COPY second /data/second
LABEL a=b
CMD ["/bin/true"]
`;

/** Makes the directories that images are built from. */
async function makeSources(temp: TempDir): Promise<void> {
  for (const directory of ["context/root/data", "context/root/etc"]) {
    await Deno.mkdir(temp.join(directory), { recursive: true });
  }
  const root = temp.join("context/root");
  await Deno.writeTextFile(join(root, "data/kept"), "one");
  await Deno.link(join(root, "data/kept"), join(root, "data/hard"));
  await Deno.symlink("kept", join(root, "data/link"));
  await Deno.writeTextFile(join(root, "etc/passwd"), FILES["etc/passwd"] ?? "");
  await Deno.writeTextFile(temp.join("context/second"), "two");
  await Deno.writeTextFile(temp.join("context/Containerfile"), CONTAINERFILE);
  const policy = { default: [{ type: "insecureAcceptAnything" }] };
  await Deno.writeTextFile(temp.join("policy.json"), JSON.stringify(policy));
}

/** Runs buildah or podman with storage in the temporary directory. */
async function withStorage(temp: TempDir, program: string, ...args: string[]): Promise<string> {
  const storage = ["--root", temp.join("storage"), "--runroot", temp.join("run")];
  const { stdout } = await runPeer(program, [...storage, "--storage-driver", "vfs", ...args], {
    cwd: temp.join("context"),
    env: { HOME: temp.path },
  });
  return stdout.trim();
}

/** Builds the image with buildah, with the layers of a Containerfile. */
async function buildWithBuildah(temp: TempDir, format: "oci" | "docker"): Promise<string> {
  const buildah = (...args: string[]) => withStorage(temp, "buildah", ...args);
  const trust = ["--signature-policy", temp.join("policy.json")];
  const container = await buildah("from", "scratch");
  await buildah("copy", "--quiet", container, "root", "/");
  await buildah("commit", ...trust, "--quiet", "--format", format, container, "localhost/base:1");
  await buildah(
    ...["bud", ...trust, "--quiet", "--isolation=chroot", "--layers", "--format", format],
    ...["--file", "Containerfile", "--tag", "localhost/app:1", "."],
  );
  return "localhost/app:1";
}

/** Uses an image in every way that keeps its files, and compares them. */
async function assertUsable(reference: string, temp: TempDir): Promise<void> {
  const box = temp.join(`use-${crypto.randomUUID()}`);
  const store = `${box}/store`;
  const options = { store, platform: formatPlatform(hostPlatform()) };
  // The store is filled by a copy, which also takes archives.
  await copy(reference, `oci:${box}/layout:app`);
  const image = await pull(`oci:${box}/layout:app`, options);
  const opened = await ContentStore.open(store);

  await unpackImage(opened, image, `${box}/rootfs`, { ownership: "squash" });
  assertEquals(await readFiles(`${box}/rootfs`), FILES);
  const files = await image.files();
  assertEquals(await files.readText("data/link"), "one");
  const archive = exportImage(opened, image).pipeThrough(new UntarStream());
  const exported = new Set<string>();
  for await (const { path, readable } of archive) {
    await readable?.cancel();
    exported.add(path.replace(/\/$/, ""));
  }
  assertEquals(Object.keys(FILES).filter((path) => !exported.has(path)), []);
  await opened.tag("localhost/app:1", image.manifest.descriptor);
  for (const format of ["oci-archive", "docker-archive"] as const) {
    await save("localhost/app:1", `${box}/${format}`, { store, format });
    const [loaded] = await load(`${box}/${format}`, { store: `${box}/${format}-store` });
    const again = await pull(`oci:${box}/${format}-store:localhost/app:1`, {
      ...options,
      store: `${box}/again-${format}`,
    });
    assertEquals(again.config.bytes, image.config.bytes, loaded?.descriptor.digest);
  }
}

/** Reads the files and links below a directory. */
async function readFiles(root: string, path = ""): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(join(root, path))) {
    const inner = path === "" ? name : `${path}/${name}`;
    if (isDirectory) Object.assign(found, await readFiles(root, inner));
    else if (isSymlink) found[inner] = `-> ${await Deno.readLink(join(root, inner))}`;
    else found[inner] = await Deno.readTextFile(join(root, inner));
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a < b ? -1 : 1));
}

for (const format of ["oci", "docker"] as const) {
  peerTest({
    name: `images of buildah in the ${format} format keep their files`,
    needs: ["buildah"],
    root: true,
  }, async () => {
    await using temp = await makeTempDir({ large: true });
    await makeSources(temp);
    const name = await buildWithBuildah(temp, format);
    for (const target of ["oci:layout:1", "oci-archive:oci.tar", "docker-archive:docker.tar"]) {
      const place = target.replace(/^([a-z-]+):/, `$1:${temp.path}/`);
      const trust = ["--signature-policy", temp.join("policy.json")];
      await withStorage(temp, "buildah", "push", ...trust, "--quiet", name, place);

      await assertUsable(place, temp);
    }
  });
}

peerTest({
  name: "archives and layouts of podman, with one image and several, keep their files",
  needs: ["buildah", "podman"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await makeSources(temp);
  const name = await buildWithBuildah(temp, "docker");
  const save = (...args: string[]) => withStorage(temp, "podman", "save", "--quiet", ...args);
  await save("--format=docker-archive", `--output=${temp.join("docker.tar")}`, name);
  await save("--format=oci-archive", `--output=${temp.join("oci.tar")}`, name);
  await save("--format=oci-dir", `--output=${temp.join("layout")}`, name);
  await save("-m", `--output=${temp.join("several.tar")}`, name, "localhost/base:1");

  await assertUsable(`docker-archive:${temp.join("docker.tar")}`, temp);
  await assertUsable(`oci-archive:${temp.join("oci.tar")}`, temp);
  await assertUsable(`oci:${temp.join("layout")}`, temp);
  await assertUsable(`docker-archive:${temp.join("several.tar")}:${name}`, temp);
});

peerTest({
  name: "images that umoci made and skopeo compressed in every way keep their files",
  needs: ["umoci", "skopeo"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await makeSources(temp);
  const layout = temp.join("layout");
  const umoci = (...args: string[]) => runPeer("umoci", args);
  await umoci("init", "--layout", layout);
  await umoci("new", "--image", `${layout}:1`);
  await umoci("insert", "--image", `${layout}:1`, temp.join("context/root"), "/");
  await umoci("insert", "--image", `${layout}:1`, temp.join("context/second"), "/data/gone");
  await umoci("insert", "--image", `${layout}:1`, temp.join("context/second"), "/data/second");
  await umoci("insert", "--image", `${layout}:1`, "--whiteout", "/data/gone");
  await umoci("config", "--image", `${layout}:1`, "--architecture", ARCHITECTURE, "--os", "linux");
  const skopeo = (...args: string[]) => {
    return runPeer("skopeo", ["--insecure-policy", "copy", "--quiet", ...args], {
      env: { HOME: temp.path },
    });
  };

  await assertUsable(`oci:${layout}:1`, temp);
  for (const compression of ["gzip", "zstd"]) {
    const target = `oci:${temp.join(compression)}:1`;
    await skopeo(
      `--dest-compress-format=${compression}`,
      "--dest-compress",
      `oci:${layout}:1`,
      target,
    );
    await assertUsable(target, temp);
  }
  await skopeo("--dest-decompress", `oci:${layout}:1`, `oci:${temp.join("plain")}:1`);
  await assertUsable(`oci:${temp.join("plain")}:1`, temp);
  await skopeo(`oci:${layout}:1`, `docker-archive:${temp.join("docker.tar")}:h.io/a/b:2`);
  await assertUsable(`docker-archive:${temp.join("docker.tar")}`, temp);
});

peerTest({
  name: "a list of buildah for several platforms gives each its own image",
  needs: ["buildah"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await makeSources(temp);
  const name = await buildWithBuildah(temp, "oci");
  const manifest = (...args: string[]) => withStorage(temp, "buildah", "manifest", ...args);
  await manifest("create", "localhost/list:1");
  const add = (image: string, ...flags: string[]) => {
    return manifest("add", ...flags, "localhost/list:1", `containers-storage:${image}`);
  };
  await add(name, "--os=linux", `--arch=${ARCHITECTURE}`);
  await add("localhost/base:1", "--os=windows", "--arch=amd64", "--os-version=10.0.17763.1");
  const trust = ["--signature-policy", temp.join("policy.json")];
  const target = `oci:${temp.join("layout")}:1`;
  await manifest("push", ...trust, "--quiet", "--all", "localhost/list:1", target);

  await assertUsable(target, temp);
  const windows = await pull(target, {
    store: temp.join("store"),
    platform: "windows(10.0.17763)/amd64",
  });
  assertEquals(windows.layers.length, 1);
});
