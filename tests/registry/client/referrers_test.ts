import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { AuthError, RegistryError, RepositoryContent } from "../../../registry/mod.ts";
import { type Descriptor, digestHex, LimitError, OCI_INDEX } from "../../../spec/mod.ts";
import { on, plain, respond, withHeaders } from "../../_support/faulty_registry.ts";
import { buildArtifact, buildIndex } from "../../_support/image.ts";
import { makeScene, type Scene, testClient } from "../_client.ts";
import { pages } from "./_pages.ts";

const SIGNATURE = "application/x-signature";

const SBOM = "application/x-sbom";

/** Adds two artifacts that refer to the image of a scene, and returns their digests. */
function addReferrers(scene: Scene) {
  const subject = scene.image.descriptor;
  const signature = buildArtifact({ artifactType: SIGNATURE, subject });
  const sbom = buildArtifact({ artifactType: SBOM, subject });
  scene.content.add("a/b", undefined, signature).add("a/b", undefined, sbom);
  return { signature, sbom };
}

function digestsOf(descriptors: readonly Descriptor[]): readonly string[] {
  return descriptors.map(({ digest }) => digest).sort();
}

Deno.test("RemoteClient.referrers() lists the referrers of an image, all or of one type", async () => {
  await using scene = makeScene();
  using client = testClient();
  const { signature, sbom } = addReferrers(scene);
  const { digest } = scene.image.descriptor;

  const all = await client.referrers({ ...scene.reference, digest });
  const byTag = await client.referrers(scene.reference, { artifactType: SBOM });

  assertEquals(digestsOf(all), digestsOf([signature.descriptor, sbom.descriptor]));
  assertEquals(digestsOf(byTag), [sbom.descriptor.digest]);
  assertEquals(byTag[0]?.artifactType, SBOM);
});

function entry(n: number, artifactType: string): Descriptor {
  const digest = `sha256:${String(n).padStart(64, "0")}` as const;
  return { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1, artifactType };
}

function index(...manifests: readonly Descriptor[]) {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

Deno.test("RemoteClient.referrers() filters unless the registry has done so", async () => {
  const fault = pages([index(entry(1, SBOM), entry(2, SIGNATURE))], () => undefined);
  await using unfiltered = makeScene([on("referrers", fault)]);
  await using filtered = makeScene([
    on("referrers", withHeaders({ "oci-filters-applied": "artifactType" })),
    on("referrers", fault),
  ]);
  using client = testClient();

  const first = await client.referrers(unfiltered.reference, { artifactType: SBOM });
  const second = await client.referrers(filtered.reference, { artifactType: SBOM });

  assertEquals([first.length, second.length], [1, 2]);
});

Deno.test("RemoteClient.referrers() refuses an endless list of empty pages", async () => {
  let count = 0;
  await using scene = makeScene([
    on("referrers", () => {
      const link = ++count < 1_010 ? `<?page=${count}>; rel="next"` : "";
      return plain(200, { "content-type": OCI_INDEX, link }, JSON.stringify(index()));
    }),
  ]);
  using client = testClient();

  const error = await assertRejects(() => client.referrers(scene.reference), LimitError);

  assertEquals([error.limit, error.max, count], ["pages", 1_000, 1_000]);
});

Deno.test("RemoteClient.referrers() refuses endless annotations", async () => {
  let count = 0;
  const annotations = { padding: "x".repeat(4_000_000) };
  await using scene = makeScene([
    on("referrers", () => {
      const headers = { "content-type": OCI_INDEX, link: `<?page=${++count}>; rel="next"` };
      return plain(200, headers, JSON.stringify(index({ ...entry(count, SBOM), annotations })));
    }),
  ]);
  using client = testClient();

  const error = await assertRejects(() => client.referrers(scene.reference), LimitError);

  assertEquals([error.limit, error.max, count], ["referrers bytes", 64 * 1024 * 1024, 17]);
});

Deno.test("RemoteClient.referrers() reads every page", async () => {
  const bodies = [index(entry(1, SBOM)), index(entry(2, SBOM)), index(entry(3, SBOM))];
  await using scene = makeScene([
    on("referrers", pages(bodies, (n) => `<?page=${n}>; rel="next"`)),
  ]);
  using client = testClient();

  assertEquals((await client.referrers(scene.reference)).length, 3);
});

Deno.test.each([
  { what: "404", fault: respond(404), says: "). Check the name, or log in" },
  {
    what: "a web page",
    fault: respond(200, { "content-type": "text/html" }, "<html>"),
    says: "a web page",
  },
  { what: "other JSON", fault: respond(200, {}, "{}"), says: "is not an index" },
])("RemoteClient.referrers() fails if the second page is $what", async ({ fault, says }) => {
  await using scene = makeScene([
    on({ kind: "referrers", path: /page=1/ }, fault),
    on("referrers", pages([index(entry(1, SBOM)), index()], () => '<?page=1>; rel="next"')),
  ]);
  using client = testClient();

  const { url, message } = await assertRejects(() => {
    return client.referrers(scene.reference);
  }, RegistryError);

  assertMatch(url, /^http:.*page=1$/);
  assertStringIncludes(message, says);
});

Deno.test.each([
  ...[400, 404, 405, 406, 410, 501].map((status) => ({
    answer: String(status),
    fault: respond(status),
  })),
  { answer: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  {
    answer: "other JSON",
    fault: respond(200, { "content-type": "application/json" }, '{"errors":[]}'),
  },
])(
  "RemoteClient.referrers() reads the fallback tag if the API answers $answer",
  async ({ fault }) => {
    await using scene = makeScene([on("referrers", fault)]);
    using client = testClient();
    const { signature, sbom } = addReferrers(scene);
    const other = buildArtifact({ artifactType: SBOM, subject: sbom.descriptor });
    const tag = `sha256-${digestHex(scene.image.descriptor.digest)}`;
    scene.content.add("a/b", tag, buildIndex([signature, sbom, other].map((built) => ({ built }))));

    const all = await client.referrers(scene.reference);
    const sboms = await client.referrers(scene.reference, { artifactType: SBOM });

    assertEquals(digestsOf(all), digestsOf([signature.descriptor, sbom.descriptor]));
    assertEquals(digestsOf(sboms), [sbom.descriptor.digest]);
  },
);

Deno.test("RemoteClient.referrers() returns none if there is no fallback tag", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();

  assertEquals(await client.referrers(scene.reference), []);
});

Deno.test("RemoteClient.referrers() does not treat the image as its own referrer", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();
  const multi = buildIndex([scene.image]);
  for (const built of [scene.image, multi]) {
    scene.content.add("a/b", `sha256-${digestHex(built.descriptor.digest)}`, built);
    const { digest } = built.descriptor;

    assertEquals(await client.referrers({ ...scene.reference, digest }), []);
  }
});

Deno.test("RemoteClient.referrers() fails if the API answers an invalid index", async () => {
  await using scene = makeScene([
    on("referrers", respond(200, { "content-type": OCI_INDEX }, "{}")),
  ]);
  using client = testClient();

  await assertRejects(() => client.referrers(scene.reference), SyntaxError, "schemaVersion");
});

Deno.test("RemoteClient.referrers() fails if the registry fails", async () => {
  await using scene = makeScene([on("referrers", respond(500))]);
  using client = testClient({ retries: 0 });

  await assertRejects(() => client.referrers(scene.reference), RegistryError, "answered 500");
});

Deno.test("RemoteClient.referrers() says that the list is denied rather than the image", async () => {
  await using scene = makeScene([on("referrers", respond(403))]);
  using client = testClient();

  await assertRejects(
    () => client.referrers(scene.reference),
    AuthError,
    "the list of referrers does not exist or needs a login",
  );
});

Deno.test("RemoteClient.referrers() keeps entries of unknown types in the fallback tag", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();
  const { signature, sbom } = addReferrers(scene);
  const tag = `sha256-${digestHex(scene.image.descriptor.digest)}`;
  const unknown = { ...entry(7, SBOM), mediaType: "application/vnd.oci.artifact.manifest.v1+json" };
  const list = buildIndex([signature, sbom].map((built) => ({ built })));
  const { manifests } = JSON.parse(new TextDecoder().decode(list.bytes));
  const bytes = new TextEncoder().encode(JSON.stringify(index(unknown, ...manifests)));
  scene.registry.add(on("manifest", async (request, next) => {
    if (!request.url.endsWith(tag)) return await next();
    return plain(200, { "content-type": OCI_INDEX }, bytes);
  }));

  const sboms = await client.referrers(scene.reference, { artifactType: SBOM });

  assertEquals(sboms.map(({ digest }) => digest), [unknown.digest, sbom.descriptor.digest]);
});

Deno.test("RepositoryContent.referrers() omits referrers of unknown types, and warns", async () => {
  const unknown = { ...entry(1, SBOM), mediaType: "application/x-unknown" };
  await using scene = makeScene([
    on("referrers", pages([index(unknown, entry(2, SBOM))], () => undefined)),
  ]);
  using client = testClient();
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  const content = new RepositoryContent(client, scene.reference, { onWarning });

  const found = await content.referrers(scene.image.descriptor);

  assertEquals(digestsOf(found), [entry(2, SBOM).digest]);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes(`referrer ${unknown.digest}`), warnings[0]);
});
