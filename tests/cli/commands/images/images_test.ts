import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../../../registry/mod.ts";
import { OCI_MANIFEST } from "../../../../spec/mod.ts";
import { ContentStore } from "../../../../store/mod.ts";
import {
  blobOf,
  buildImage,
  buildIndex,
  jsonBlob,
  MemoryContent,
  nestedIndex,
  putBlobs,
  withBlobs,
} from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { writeLayout } from "../../../_support/peers.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { ociArchive } from "../../../store/archives/_archives.ts";

const runOci = ociSession();

const AMD64 = buildImage({ layers: [tar(file("a", "amd64"))], platform: "linux/amd64" });
const ARM64 = buildImage({ layers: [tar(file("a", "arm64"))], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);

/** A store with one platform of a multi-platform image, and another image. */
async function filledStore(path: string): Promise<{ readonly host: string }> {
  const content = new MemoryContent().add("multi", "1", INDEX).add("single", "2", ARM64);
  await using server = await serveRegistry(content);
  const { code, stderr } = await runOci(
    ["pull", "-q", "--store", path, "--platform", "linux/arm64"]
      .concat(`${server.host}/multi:1`, `${server.host}/single:2`),
  );
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return { host: server.host };
}

Deno.test("oci images prints a table", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);

  const { code, stdout, stderr } = await runOci(["images"], { env: { OCI_STORE: dir.path } });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const [heading, ...rows] = stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(heading, ["REFERENCE", "DIGEST", "PLATFORMS", "PULLED", "SIZE", "UNIQUE"]);
  assertEquals(rows.map((row) => row.slice(0, 4)), [
    [`${host}/multi:1`, INDEX.descriptor.digest.slice(0, 19), "linux/arm64", "1 of 2"],
    [`${host}/single:2`, ARM64.descriptor.digest.slice(0, 19), "linux/arm64", "1 of 1"],
  ]);
  for (const row of rows) assertMatch(row[4] ?? "", /^\d+ B$/);
});

Deno.test("oci images NAME lists one name, or the names of a repository", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);
  const env = { OCI_STORE: dir.path };
  const list = async (name: string): Promise<{ reference: string; digest: string }[]> => {
    return JSON.parse((await runOci(["images", "--json", name], { env })).stdout);
  };
  const names = async (name: string) => (await list(name)).map(({ reference }) => reference);
  const [multi] = await list(`${host}/multi`);

  assertEquals(await names(`${host}/multi`), [`${host}/multi:1`]);
  assertEquals(await names(`${host}/single:2`), [`${host}/single:2`]);
  assertEquals(await names(`${host}/single:1`), []);
  for (const version of ["", ":1"]) {
    assertEquals(await names(`${host}/multi${version}@${multi?.digest}`), [`${host}/multi:1`]);
  }
  assertEquals(await names(`${host}/multi:2@${multi?.digest}`), []);
  assertEquals(await names(`${host}/single:2@${multi?.digest}`), []);
  assertEquals(await names("single"), []);
  assertEquals((await runOci(["images", ""], { env })).code, 2);
});

Deno.test("oci rm --all removes all names", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);
  const env = { OCI_STORE: dir.path };

  const both = await runOci(["rm", "--all", "single"], { env });
  const neither = await runOci(["rm"], { env });
  const removed = await runOci(["rm", "--all"], { env });
  const left = await runOci(["images", "--json"], { env });

  assertEquals([both.code, neither.code, removed.code], [2, 2, 0]);
  assertEquals(removed.stdout, `${host}/multi:1\n${host}/single:2\n`);
  assertEquals(left.stdout, "[]\n");
});

Deno.test("oci images --json prints an array that includes missing platforms", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);

  const { stdout } = await runOci(["images", "--json", "--store", dir.path]);

  const size = ARM64.config.descriptor.size + (ARM64.layers[0]?.descriptor.size ?? 0);
  const { digest, mediaType } = INDEX.descriptor;
  assertEquals(JSON.parse(stdout), [
    {
      reference: `${host}/multi:1`,
      digest,
      mediaType,
      size,
      sharedSize: size,
      uniqueSize: 0,
      platforms: [
        { platform: "linux/amd64", digest: AMD64.descriptor.digest, size: 0, complete: false },
        { platform: "linux/arm64", digest: ARM64.descriptor.digest, size, complete: true },
      ],
    },
    {
      reference: `${host}/single:2`,
      digest: ARM64.descriptor.digest,
      mediaType: ARM64.descriptor.mediaType,
      size,
      sharedSize: size,
      uniqueSize: 0,
      platforms: [
        { platform: "linux/arm64", digest: ARM64.descriptor.digest, size, complete: true },
      ],
    },
  ]);
});

Deno.test("oci images counts shared layers, and lists artifacts with large configs", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  const base = tar(file("base", "b".repeat(50_000)));
  const [one, two] = ["1", "2"].map((text) => {
    const layers = [base, base, tar(file("top", text.repeat(9000)))];
    return buildImage({ layers, compression: "none", platform: "linux/amd64" });
  });
  if (one === undefined || two === undefined) throw new Error("no images");
  const config = blobOf("application/vnd.example.config", new Uint8Array(9 * 1024 * 1024));
  const manifest = jsonBlob(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: config.descriptor,
    layers: [],
  });
  await putBlobs(store, one, two, withBlobs(manifest, [config]));
  const names = [["a", one], ["again", one], ["b", two], ["c", manifest]] as const;
  for (const [name, { descriptor }] of names) await store.tag(`h.io/${name}:1`, descriptor);

  const { code, stdout, stderr } = await runOci(["images", "--json", "--store", dir.path]);

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const shared = one.layers[0]?.descriptor.size ?? 0;
  const unique = one.config.descriptor.size + (one.layers[2]?.descriptor.size ?? 0);
  const sizes = (sharedSize: number, uniqueSize: number) => {
    return { size: sharedSize + uniqueSize, sharedSize, uniqueSize };
  };
  assertEquals(
    JSON.parse(stdout).map(({ size, sharedSize, uniqueSize }: ReturnType<typeof sizes>) => {
      return { size, sharedSize, uniqueSize };
    }),
    [
      sizes(shared, unique),
      sizes(shared, unique),
      sizes(shared, two.config.descriptor.size + (two.layers[2]?.descriptor.size ?? 0)),
      sizes(0, config.descriptor.size),
    ],
  );
});

Deno.test("oci images lists unnamed images last", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.join("store"));
  await Deno.writeFile(dir.join("a.tar"), ociArchive(AMD64));
  const env = { OCI_STORE: dir.join("store") };

  const load = await runOci(["load", dir.join("a.tar")], { env });
  const json = await runOci(["images", "--json"], { env });
  const table = await runOci(["images"], { env });

  assertEquals(load.stdout, `@${AMD64.descriptor.digest}\n`);
  assertEquals(
    JSON.parse(json.stdout).map(({ reference }: { reference: string | null }) => reference),
    [`${host}/multi:1`, `${host}/single:2`, null],
  );
  assertMatch(table.stdout, /\n- +sha256:\w{12} +linux\/amd64 +1 of 1 +\d+ B +\d+ B\n$/);
});

Deno.test("oci rm removes an image without a name by the digest that oci images prints", async () => {
  await using dir = await makeTempDir();
  await filledStore(dir.join("store"));
  await Deno.writeFile(dir.join("a.tar"), ociArchive(AMD64));
  const env = { OCI_STORE: dir.join("store") };
  await runOci(["load", "-q", dir.join("a.tar")], { env });
  const short = AMD64.descriptor.digest.slice(0, 19);

  const named = await runOci(["rm", ARM64.descriptor.digest], { env });
  const { code, stdout, stderr } = await runOci(["rm", short], { env });
  const again = await runOci(["rm", `@${AMD64.descriptor.digest}`], { env });

  assertEquals(named.code, 1);
  assertStringIncludes(named.stderr, "it has a name. Remove the name");
  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: `@${AMD64.descriptor.digest}\n`,
    stderr: "",
  });
  assertStringIncludes(again.stderr, "not found in the store");
  const { stdout: left } = await runOci(["images", "--json"], { env });
  assertEquals(left.includes("null"), false);
});

Deno.test("oci finds images that other tools stored under short names", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));
  await putBlobs(store, AMD64);
  // As skopeo writes "oci:DIR:app:1" and "oci:DIR:v1".
  for (const name of ["app:1", "v1"]) await store.tag(name, AMD64.descriptor);
  const env = { OCI_STORE: store.path };
  const options = ["--platform=linux/amd64", "--policy=never", "-q"];

  for (const name of ["app:1", "docker.io/library/app:1", "v1"]) {
    const results = await Promise.all([
      ["inspect", "--json", ...options, name],
      ["ls", ...options, name],
      ["cat", ...options, name, "a"],
      ["save", ...options, name, "-o", dir.join(`${crypto.randomUUID()}.tar`)],
      ["pull", ...options, name],
    ].map((args) => runOci(args, { env })));

    for (const { code, stderr } of results) assertEquals(code, 0, stderr);
    const [inspect = "", ls, cat, , pull = ""] = results.map(({ stdout }) => stdout);
    assertEquals(JSON.parse(inspect).digest, AMD64.descriptor.digest);
    assertEquals([ls, cat], ["a\n", "amd64"]);
    assertStringIncludes(pull, `@${AMD64.descriptor.digest}`);
  }
  const removed = await runOci(["rm", "docker.io/library/app:1", "v1"], { env });
  assertEquals(removed.stdout, "app:1\nv1\n");
});

Deno.test("oci finds an image by the name that containerd gave it", async () => {
  await using dir = await makeTempDir();
  await writeLayout(dir.join("store"), { "1": AMD64 });
  const index = JSON.parse(await Deno.readTextFile(dir.join("store", "index.json")));
  index.manifests[0].annotations["io.containerd.image.name"] = "docker.io/library/app:1";
  await Deno.writeTextFile(dir.join("store", "index.json"), JSON.stringify(index));
  const env = { OCI_STORE: dir.join("store") };

  for (const name of ["app:1", `oci:${env.OCI_STORE}:1`]) {
    const { code, stdout, stderr } = await runOci(
      ["cat", "--policy=never", "--platform=linux/amd64", name, "a"],
      { env },
    );
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "amd64", stderr: "" });
  }
});

Deno.test("oci images of an empty store is a heading, or an empty array", async () => {
  const [table, json] = [await runOci(["images"]), await runOci(["images", "--json"])];

  assertEquals([table.code, table.stdout], [
    0,
    "REFERENCE  DIGEST  PLATFORMS  PULLED  SIZE  UNIQUE\n",
  ]);
  assertEquals([json.code, JSON.parse(json.stdout)], [0, []]);
});

Deno.test("oci images rejects a directory that is not a store", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("notes"), "not a store");

  const { code, stdout, stderr } = await runOci(["images", "--store", dir.path]);

  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assertMatch(stderr, /^oci: images: .+: .+\. Choose .+\n$/);
});

Deno.test("oci images lists damaged images with a warning", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);
  const hex = INDEX.descriptor.digest.slice("sha256:".length);
  await Deno.writeTextFile(dir.join("blobs", "sha256", hex), "{}");

  const { code, stdout, stderr } = await runOci(["images", "--json", "--store", dir.path]);

  assertEquals(code, 0);
  assertEquals(
    JSON.parse(stdout).map(({ platforms }: { platforms: unknown[] }) => platforms.length),
    [0, 1],
  );
  assertMatch(
    stderr,
    new RegExp(`^oci: warning: ${host}/multi:1 is damaged: .*\\. Pull it again\n$`),
  );
});

Deno.test("oci rm removes references, and keeps the others", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);

  const removed = await runOci(["rm", `${host}/multi:1`, "--store", dir.path]);
  const listed = await runOci(["images", "--json", "--store", dir.path]);

  assertEquals([removed.code, removed.stdout], [0, `${host}/multi:1\n`]);
  assertEquals(
    JSON.parse(listed.stdout).map(({ reference }: { reference: string }) => reference),
    [`${host}/single:2`],
  );
});

Deno.test("oci rm --json prints the removed names", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);

  const { code, stdout } = await runOci(
    ["rm", "--json", `${host}/single:2`, `${host}/multi:1`, "--store", dir.path],
  );

  assertEquals([code, JSON.parse(stdout)], [0, [
    { reference: `${host}/single:2`, digest: ARM64.descriptor.digest },
    { reference: `${host}/multi:1`, digest: INDEX.descriptor.digest },
  ]]);
});

Deno.test("oci rm removes nothing if one of the references is missing", async () => {
  await using dir = await makeTempDir();
  const { host } = await filledStore(dir.path);

  const { code, stdout, stderr } = await runOci(
    ["rm", `${host}/multi:1`, `${host}/absent:1`, "--store", dir.path],
  );
  const listed = await runOci(["images", "--json", "--store", dir.path]);

  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  assertEquals(
    stderr,
    `oci: rm ${host}/absent:1: cannot remove "${host}/absent:1": ` +
      'not found in the store. List its images with "oci images"\n',
  );
  assertEquals(JSON.parse(listed.stdout).length, 2);
});

Deno.test.each([
  { args: ["rm", "absent:1"], code: "not-in-store" },
  { args: ["inspect", "@sha256:000000"], code: "not-in-store" },
  { args: ["cat", "@FIRST", "nowhere"], code: "missing-path" },
  { args: ["sbom", "@FIRST"], code: "not-found" },
  { args: ["unbundle", "./nowhere"], code: "bundle-unknown" },
])("oci $args.0 names a code for what does not exist", async ({ args, code }) => {
  await using dir = await makeTempDir();
  await filledStore(dir.path);
  const words = args.map((word) => word.replace("FIRST", ARM64.descriptor.digest));

  const { stdout } = await runOci([...words, "--json", "--store", dir.path]);

  assertEquals(JSON.parse(stdout).error.code, code);
});

Deno.test("oci images describes repeated indexes once", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  const nested = nestedIndex(7, buildIndex([AMD64, ARM64, AMD64]), 40);
  await putBlobs(store, nested);
  await store.tag("h.io/a:1", nested.descriptor);

  const { stdout } = await runOci(["images", "--json", "--store", dir.path]);

  const [{ platforms }] = JSON.parse(stdout);
  assertEquals(
    platforms.map(({ platform }: { platform: string }) => platform),
    ["linux/amd64", "linux/arm64", "linux/amd64"],
  );
});
