import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, prepare, pull, pullArtifact, push, SignatureError, unpack } from "../../../mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { buildArtifact, buildImage, buildIndex, type Built } from "../../_support/image.ts";
import {
  buildReferrer,
  buildTagged,
  envelopeBundle,
  makeKey,
  signatureTag,
  signTagged,
} from "../../_support/signing.ts";
import { IDENTITY, ISSUER, makeSigstore } from "../../_support/sigstore.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { type Interference, writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "../moving/_pushed.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a")), tar(file("b", "b"))] });
const INDEX = buildIndex([IMAGE, buildImage({ layers: [], platform: "linux/arm64" })]);
const KEY = makeKey();
const VERIFY = { key: KEY.pem };
const OTHERS = { key: makeKey().pem };
const PLATFORM = "linux/amd64";

type Way = "tag" | "bundle";

/** A registry with an image `a/b:v1`. */
async function makeScene(image: Built = IMAGE, interfere?: Interference) {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry(interfere === undefined ? {} : { interfere }));
  const dir = stack.use(await makeTempDir());
  const client = stack.use(testClient());
  await pushBuilt(registry, "a/b:v1", image);
  registry.forget();
  const path = dir.join("store");
  const owned = stack.move();
  return {
    registry,
    dir,
    name: `${registry.host}/a/b:v1`,
    options: { client, store: path, platform: PLATFORM },
    sign: async (way: Way, signed: Built = image) => {
      const { descriptor } = signed;
      const { digest } = descriptor;
      if (way === "tag") {
        const built = buildTagged([signTagged(KEY, digest)]);
        await pushBuilt(registry, `a/b:${signatureTag(digest)}`, built);
      } else {
        const bundle = buildReferrer(descriptor, envelopeBundle(KEY, digest));
        await pushBuilt(registry, "a/b:none", bundle);
      }
      registry.forget();
    },
    references: async () => (await (await ContentStore.open(path)).references()).length,
    /** Digests of the layers that were requested. */
    layers: () => {
      return IMAGE.layers.filter(({ descriptor: { digest } }) => {
        return registry.seen().some((line) => line.endsWith(`/blobs/${digest}`));
      }).length;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test.each<{ readonly way: Way; readonly image: Built }>([
  { way: "tag", image: IMAGE },
  { way: "bundle", image: IMAGE },
  { way: "tag", image: INDEX },
  { way: "bundle", image: INDEX },
])("pull() accepts an image that is signed by $way", async ({ way, image }) => {
  await using scene = await makeScene(image);
  await scene.sign(way);

  const { digest } = await pull(scene.name, { ...scene.options, verify: VERIFY });

  assertEquals([digest, scene.layers()], [image.descriptor.digest, 2]);
  const seen = scene.registry.seen();
  const isLayer = (line: string) => line.includes(IMAGE.layers[0]?.descriptor.digest ?? "-");
  const lookUp = seen.findIndex((line) => line.includes(signatureTag(digest)));
  assert(lookUp >= 0 && lookUp < seen.findIndex(isLayer), seen.join("\n"));
});

Deno.test.each<{ readonly way: Way }>([{ way: "tag" }, { way: "bundle" }])(
  "pull() accepts and refuses an identity in a $way",
  async ({ way }) => {
    await using scene = await makeScene();
    const { name, options, registry } = scene;
    const sigstore = makeSigstore();
    const { descriptor } = IMAGE;
    const [tag, built] = way === "tag"
      ? [signatureTag(descriptor.digest), buildTagged([sigstore.signTagged(descriptor.digest)])]
      : ["none", buildReferrer(descriptor, sigstore.messageBundle(IMAGE))];
    await pushBuilt(registry, `a/b:${tag}`, built);
    registry.forget();
    const verify = { identity: IDENTITY, issuer: ISSUER, trustedRoot: sigstore.trustedRoot };
    const others = { ...verify, identity: /.*\/other\/.*/ };

    await assertRejects(
      () => pull(name, { ...options, verify: others }),
      SignatureError,
      `its signature is not valid: it was made by "${IDENTITY}"`,
    );
    assertEquals([scene.layers(), await scene.references()], [0, 0]);
    const { digest } = await pull(name, { ...options, verify });

    assertEquals(digest, descriptor.digest);
  },
);

Deno.test("pull() refuses an unsigned image before it requests a layer or stores a name", async () => {
  await using scene = await makeScene();
  const { name, options } = scene;

  const error = await assertRejects(
    () => pull(name, { ...options, verify: VERIFY }),
    SignatureError,
    `Cannot verify "${name}": it has no signature`,
  );

  assertEquals([error.code, scene.layers(), await scene.references()], ["unsigned", 0, 0]);
});

Deno.test.each<{ readonly way: Way }>([{ way: "tag" }, { way: "bundle" }])(
  "pull() refuses an image with a $way of another signer",
  async ({ way }) => {
    await using scene = await makeScene();
    await scene.sign(way);

    const error = await assertRejects(
      () => pull(scene.name, { ...scene.options, verify: OTHERS }),
      SignatureError,
      "its signature is not valid: it does not match the key",
    );

    assertEquals([error.signatures, scene.layers(), await scene.references()], [1, 0, 0]);
  },
);

Deno.test("pull() requires a signature of the document that the reference resolves to", async () => {
  await using scene = await makeScene(INDEX);
  await scene.sign("tag", IMAGE);
  const options = { ...scene.options, verify: VERIFY };
  const { digest } = IMAGE.descriptor;

  await assertRejects(() => pull(scene.name, options), SignatureError, "no signature");
  const pulled = await pull(scene.name.replace(":v1", `@${digest}`), options);

  assertEquals(pulled.digest, digest);
});

Deno.test("pull() refuses a signed image of a registry that hides its signatures", async () => {
  await using scene = await makeScene(IMAGE, (request, next) => {
    const isHidden = request.method !== "PUT" && /referrers|sha256-/.test(request.url);
    return isHidden ? new Response(null, { status: 404 }) : next();
  });
  await scene.sign("tag");
  await scene.sign("bundle");

  await assertRejects(
    () => pull(scene.name, { ...scene.options, verify: VERIFY }),
    SignatureError,
    "it has no signature",
  );
});

Deno.test("pull() also verifies an image in the store", async () => {
  await using scene = await makeScene();
  const { name, options } = scene;
  await pull(name, options);

  await assertRejects(() => pull(name, { ...options, verify: VERIFY }), SignatureError);
  await scene.sign("tag");
  const { digest } = await pull(name, { ...options, verify: VERIFY });
  await assertRejects(
    () => pull(name, { ...options, verify: VERIFY, pullPolicy: "Never" }),
    SignatureError,
    "the store has no signature of it",
  );

  assertEquals(digest, IMAGE.descriptor.digest);
});

Deno.test.each<{ readonly way: Way }>([{ way: "tag" }, { way: "bundle" }])(
  "pull() finds the $way of an image in the store without a request",
  async ({ way }) => {
    await using scene = await makeScene();
    const { name, options } = scene;
    await scene.sign(way);
    const copying = { ...options, keep: true, withReferrers: true };
    await copy(name, `oci:${scene.dir.join("layout")}:v1`, copying);
    scene.registry.forget();

    const never = { ...options, pullPolicy: "Never" } as const;
    const { digest } = await pull(name, { ...never, verify: VERIFY });
    await assertRejects(() => pull(name, { ...never, verify: OTHERS }), SignatureError);

    assertEquals([digest, scene.registry.seen()], [IMAGE.descriptor.digest, []]);
  },
);

Deno.test.each([{ transport: "oci" }, { transport: "oci-archive" }])(
  "pull() finds signatures in $transport",
  async ({ transport }) => {
    await using scene = await makeScene();
    const { name, options } = scene;
    await copy(name, `${transport}:${scene.dir.join("unsigned")}:v1`, { ...options });
    await scene.sign("tag");
    const place = `${transport}:${scene.dir.join("signed")}:v1`;
    await copy(name, place, { client: options.client, withReferrers: true });
    const verifying = { store: options.store, platform: PLATFORM, verify: VERIFY };

    const { digest } = await pull(place, verifying);
    const unsigned = `${transport}:${scene.dir.join("unsigned")}:v1`;
    await assertRejects(
      () => pull(unsigned, { ...verifying, store: scene.dir.join("other") }),
      SignatureError,
    );

    assertEquals(digest, IMAGE.descriptor.digest);
  },
);

Deno.test("pull() refuses to verify with a client that has no signatures", async () => {
  await using scene = await makeScene();
  const { client } = scene.options;
  const custom = { image: client.image.bind(client) };

  await assertRejects(
    () => pull(scene.name, { ...scene.options, client: custom, verify: VERIFY }),
    TypeError,
    '"client" must be',
  );
  assertEquals(await scene.references(), 0);
});

Deno.test("unpack() and prepare() refuse an unsigned image", async () => {
  await using scene = await makeScene();
  const { name, options } = scene;
  const rootfs = scene.dir.join("rootfs");
  const mounter = { namespace: "user", probe: () => Promise.resolve() };

  await assertRejects(
    () => unpack(name, rootfs, { ...options, verify: VERIFY }),
    SignatureError,
  );
  await assertRejects(
    () => prepare(name, { ...options, verify: VERIFY, mounter: mounter as never }),
    SignatureError,
  );

  assertEquals([scene.layers(), await scene.references()], [0, 0]);
  await assertRejects(() => Deno.stat(rootfs), Deno.errors.NotFound);
});

Deno.test("unpack() unpacks a signed image", async () => {
  await using scene = await makeScene();
  await scene.sign("bundle");
  const rootfs = scene.dir.join("rootfs");

  await unpack(scene.name, rootfs, { ...scene.options, verify: VERIFY });

  assertEquals(await Deno.readTextFile(`${rootfs}/b`), "b");
});

Deno.test.each([{ keep: false }, { keep: true }])(
  "copy() copies signed images only, with keep $keep",
  async ({ keep }) => {
    await using scene = await makeScene(INDEX);
    const { name, registry, options: { client, store } } = scene;
    const target = `${registry.host}/c/d:v1`;
    const options = { client, store, keep, verify: VERIFY };
    const found = () => registry.content.resolve("c/d", "v1");

    await assertRejects(() => copy(name, target, options), SignatureError);
    assertEquals([await found(), scene.layers(), await scene.references()], [undefined, 0, 0]);
    await scene.sign("tag");
    await copy(name, target, { ...options, platforms: [PLATFORM] });

    assertEquals((await found())?.digest, IMAGE.descriptor.digest);
  },
);

Deno.test("pullArtifact() verifies artifacts, also in the store", async () => {
  const artifact = buildArtifact({ artifactType: "application/x.chart" });
  await using scene = await makeScene(artifact);
  const { name, options } = scene;
  const verifying = { ...options, verify: VERIFY };

  await assertRejects(() => pullArtifact(name, verifying), SignatureError);
  assertEquals(await scene.references(), 0);
  await pullArtifact(name, options);
  assertEquals(await scene.references(), 1);
  await assertRejects(
    () => pullArtifact(name, { ...options, verify: VERIFY }),
    SignatureError,
  );
});

Deno.test.each<{ readonly image: Built }>([{ image: IMAGE }, { image: INDEX }])(
  "push() refuses an unsigned image, and pushes a signed one",
  async ({ image }) => {
    await using scene = await makeScene(image);
    const { name, options, registry } = scene;
    const { store, client } = options;
    const target = `${registry.host}/c/d:v1`;
    await pull(name, options);

    await assertRejects(
      () => push(name, target, { store, client, verify: VERIFY }),
      SignatureError,
    );
    assertEquals(await registry.content.tags("c/d"), []);
    await scene.sign("tag");
    const copied = `oci:${scene.dir.join("copied")}:v1`;
    await copy(name, copied, { client, store, keep: true, withReferrers: true });
    await push(name, target, { store, client, verify: VERIFY });

    assertEquals(await registry.content.tags("c/d"), ["v1"]);
  },
);
