import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NetworkError } from "../../../registry/mod.ts";
import type { Digest } from "../../../spec/mod.ts";
import type { AttachmentSource } from "../../../store/attachments/attachment_source.ts";
import { verifySignature } from "../../../store/attachments/verify_signature.ts";
import { SignatureError } from "../../../store/errors.ts";
import { buildImage, type Built } from "../../_support/image.ts";
import {
  buildReferrer,
  buildTagged,
  BUNDLE,
  envelopeBundle,
  type KeyKind,
  makeKey,
  messageBundle,
  type SigningKey,
  signTagged,
  type TaggedSignature,
} from "../../_support/signing.ts";
import { file, tar, toUint8Array } from "../../_support/tar.ts";
import { DIGEST, IMAGE, makeSource, OTHER } from "./_signed_source.ts";

const KEY = makeKey();
const OTHER_KEY = makeKey();

/** Verifies the image, and returns the reasons why its signatures are not valid. */
async function reasonsOf(
  source: AttachmentSource,
  { pem }: SigningKey = KEY,
  image: Built = IMAGE,
): Promise<SignatureError | undefined> {
  try {
    await verifySignature([source], image, { key: pem });
    return undefined;
  } catch (error) {
    if (error instanceof SignatureError) return error;
    throw error;
  }
}

function tagged(...signatures: readonly TaggedSignature[]): Built {
  return buildTagged(signatures);
}

const KEYS: readonly { readonly kind: KeyKind; readonly hash: string }[] = [
  { kind: "P-256", hash: "sha256" },
  { kind: "P-384", hash: "sha256" },
  { kind: "P-384", hash: "sha384" },
  { kind: "ed25519", hash: "" },
  { kind: "rsa", hash: "sha256" },
];
Deno.test.each(KEYS)(
  "verifySignature() accepts a signature of a $kind key with hash $hash",
  async ({ kind, hash }) => {
    const key = makeKey(kind, hash);
    const source = makeSource(tagged(signTagged(key, DIGEST)));

    assertEquals(await reasonsOf(source, key), undefined);
    assertEquals((await reasonsOf(source))?.reasons, ["it does not match the key"]);
  },
);

Deno.test("verifySignature() accepts one valid signature among others, with any name", async () => {
  const source = makeSource(tagged(
    signTagged(OTHER_KEY, DIGEST),
    signTagged(KEY, OTHER.descriptor.digest),
    signTagged(KEY, DIGEST, { name: "elsewhere.example/x" }),
  ));

  assertEquals(await reasonsOf(source), undefined);
});

Deno.test.each([
  { what: "a statement", bundle: envelopeBundle(KEY, DIGEST) },
  {
    what: "an attestation",
    bundle: envelopeBundle(KEY, DIGEST, { predicateType: "https://slsa.dev/provenance/v1" }),
  },
  {
    what: "an old statement",
    bundle: envelopeBundle(KEY, DIGEST, { statementType: "https://in-toto.io/Statement/v0.1" }),
  },
  { what: "the manifest", bundle: messageBundle(KEY, IMAGE) },
])("verifySignature() accepts a bundle that signs $what", async ({ bundle }) => {
  const source = makeSource(undefined, [buildReferrer(IMAGE.descriptor, bundle)]);

  assertEquals(await reasonsOf(source), undefined);
});

Deno.test("verifySignature() looks in each place, and counts all signatures", async () => {
  const empty = makeSource(undefined);
  const wrong = makeSource(tagged(signTagged(OTHER_KEY, DIGEST)));
  const right = makeSource(tagged(signTagged(KEY, DIGEST)));
  const options = { name: "app:1" };

  await verifySignature([empty, wrong, right], IMAGE, { key: KEY.pem }, options);
  const error = await assertRejects(
    () => verifySignature([empty, wrong, wrong], IMAGE, { key: KEY.pem }, options),
    SignatureError,
    'Cannot verify "app:1": none of its 2 signatures is valid: it does not match the key',
  );
  assertEquals([error.code, error.signatures], ["signature", 2]);
});

Deno.test("verifySignature() rejects an image without signatures", async () => {
  const places = [makeSource(undefined), makeSource(tagged())];

  const error = await assertRejects(
    () => verifySignature(places, IMAGE, { key: KEY.pem }),
    SignatureError,
    `Cannot verify "${DIGEST}": it has no signature`,
  );
  assertEquals([error.code, error.signatures], ["unsigned", 0]);
});

function annotated(signature: string | undefined): TaggedSignature {
  const { payload } = signTagged(KEY, DIGEST);
  const annotations = signature === undefined
    ? {} as Record<string, string>
    : { "dev.cosignproject.cosign/signature": signature };
  return { payload, annotations };
}

function resigned(payload: Uint8Array<ArrayBuffer>): TaggedSignature {
  return { ...annotated(KEY.sign(payload).toBase64()), payload };
}

const HOSTILE: readonly {
  readonly what: string;
  readonly signatures: readonly TaggedSignature[];
  readonly reason: string;
}[] = [
  {
    what: "of another image",
    signatures: [signTagged(KEY, OTHER.descriptor.digest)],
    reason: `it must be ${DIGEST}, the digest of the image`,
  },
  {
    what: "that another tool made for another purpose",
    signatures: [signTagged(KEY, DIGEST, { type: "atomic container signature" })],
    reason: 'it must be "cosign container image signature"',
  },
  {
    what: "over another payload",
    signatures: [{
      ...signTagged(KEY, OTHER.descriptor.digest),
      payload: signTagged(KEY, DIGEST).payload,
    }],
    reason: "it does not match the key",
  },
  { what: "that is absent", signatures: [annotated(undefined)], reason: "it must be a string" },
  { what: "that is not base64", signatures: [annotated("%%%")], reason: "it must be base64" },
  { what: "that is empty", signatures: [annotated("")], reason: "it does not match the key" },
  {
    what: "that is short",
    signatures: [annotated(btoa("x"))],
    reason: "it does not match the key",
  },
  {
    what: "over a payload that is not JSON",
    signatures: [resigned(toUint8Array("sha256"))],
    reason: "it must be JSON in UTF-8",
  },
  {
    what: "over a payload without a digest",
    signatures: [
      resigned(toUint8Array('{"critical":{"type":"cosign container image signature"}}')),
    ],
    reason: "it must be an object",
  },
  {
    what: "over a payload of 2 MiB",
    signatures: [resigned(new Uint8Array(2 * 1024 * 1024))],
    reason: "there are at least 2097152",
  },
  {
    what: "among more than 256",
    signatures: Array(10_000).fill(signTagged(KEY, DIGEST)),
    reason: "there are at least 10000",
  },
  {
    what: "after the first 100",
    signatures: [...Array(100).fill(annotated("")), signTagged(KEY, DIGEST)],
    reason: "only 100 of them were read",
  },
];
Deno.test.each(HOSTILE)("verifySignature() rejects a signature $what", async (row) => {
  const source = makeSource(tagged(...row.signatures));

  const error = await reasonsOf(source);

  assertEquals(error?.code, "signature");
  assertStringIncludes(error?.reasons.join("; ") ?? "", row.reason);
});

Deno.test("verifySignature() uses a bundle if the tagged signatures cannot be read", async () => {
  const bundle = buildReferrer(IMAGE.descriptor, envelopeBundle(KEY, DIGEST));
  const many = tagged(...Array(300).fill(signTagged(OTHER_KEY, DIGEST)));

  assertEquals(await reasonsOf(makeSource(many, [bundle])), undefined);
  assertEquals(await reasonsOf(makeSource(OTHER, [bundle])), undefined);
});

/** Replaces members of the envelope of a bundle. */
function forged(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const bundle = envelopeBundle(KEY, DIGEST);
  return { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope as object, ...members } };
}

const HOSTILE_BUNDLES: readonly {
  readonly what: string;
  readonly bundle: unknown;
  readonly reason: string;
}[] = [
  {
    what: "about another image",
    bundle: envelopeBundle(KEY, OTHER.descriptor.digest),
    reason: `it is not a statement about ${DIGEST}`,
  },
  {
    what: "over the manifest of another image",
    bundle: messageBundle(KEY, OTHER),
    reason: "it must be that of the image",
  },
  {
    what: "over another manifest without its digest",
    bundle: { messageSignature: { signature: KEY.sign(OTHER.bytes).toBase64() } },
    reason: "it does not match the key",
  },
  {
    what: "over another payload",
    bundle: forged({
      payload: (envelopeBundle(OTHER_KEY, DIGEST, { predicate: { a: 1 } }).dsseEnvelope as {
        readonly payload: string;
      }).payload,
    }),
    reason: "it does not match the key",
  },
  {
    what: "of another payload type",
    bundle: envelopeBundle(KEY, DIGEST, { payloadType: "text/plain" }),
    reason: 'it must be "application/vnd.in-toto+json"',
  },
  {
    what: "of another statement type",
    bundle: envelopeBundle(KEY, DIGEST, { statementType: "https://example.com/v1" }),
    reason: "it must be that of an in-toto statement",
  },
  {
    what: "without signatures",
    bundle: forged({ signatures: [] }),
    reason: "it does not match the key",
  },
  {
    what: "with thousands of signatures",
    bundle: forged({ signatures: Array(5000).fill({ sig: "" }) }),
    reason: "at most 10 signatures",
  },
  { what: "that is not JSON", bundle: toUint8Array("{"), reason: "it must be JSON in UTF-8" },
  { what: "that is empty", bundle: {}, reason: "it must be an object" },
  {
    what: "of 5 MiB",
    bundle: new Uint8Array(5 * 1024 * 1024),
    reason: "there are at least 5242880",
  },
];
Deno.test.each(HOSTILE_BUNDLES)("verifySignature() rejects a bundle $what", async (row) => {
  const source = makeSource(undefined, [buildReferrer(IMAGE.descriptor, row.bundle)]);

  const error = await reasonsOf(source);

  assertEquals(error?.code, "signature");
  assertStringIncludes(error?.reasons.join("; ") ?? "", row.reason);
});

Deno.test("verifySignature() rejects a bundle whose manifest refers to another image", async () => {
  const bundle = buildReferrer(OTHER.descriptor, envelopeBundle(KEY, DIGEST));
  const source = makeSource(undefined, [bundle]);

  assertStringIncludes(
    String(await reasonsOf(source)),
    `it must be ${DIGEST}, the digest of the image, but it is "${OTHER.descriptor.digest}"`,
  );
});

Deno.test("verifySignature() ignores referrers of other types", async () => {
  const other = buildReferrer(IMAGE.descriptor, envelopeBundle(KEY, DIGEST), {
    type: BUNDLE,
    artifactType: "application/x.other",
  });

  assertEquals((await reasonsOf(makeSource(undefined, [other])))?.code, "unsigned");
});

Deno.test("verifySignature() throws network errors", async () => {
  const source = makeSource(undefined);
  const failing = { ...source, resolve: () => Promise.reject(new Error("no network")) };

  await assertRejects(() => reasonsOf(failing), Error, "no network");
});

Deno.test("verifySignature() accepts an image with a SHA-512 digest", async () => {
  const image = buildImage({ layers: [tar(file("a", "a"))], algorithm: "sha512" });
  const { digest } = image.descriptor;
  const bundle = buildReferrer(image.descriptor, envelopeBundle(KEY, digest as Digest));
  const source = makeSource(undefined, [bundle]);

  assertEquals(await reasonsOf(source, KEY, image), undefined);
});

Deno.test.each([
  {
    what: "a private key",
    pem: KEY.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  },
  { what: "text", pem: "cosign.pub" },
  { what: "a damaged key", pem: KEY.pem.replace("\nM", "\nN") },
  { what: "a key on another curve", pem: makeKey("P-521").pem },
  { what: "an RSA key of 1024 bits", pem: makeKey("rsa-1024").pem },
])("verifySignature() rejects $what as a public key", async ({ pem }) => {
  const source = makeSource(tagged(signTagged(KEY, DIGEST)));

  await assertRejects(
    () => verifySignature([source], IMAGE, { key: pem }),
    SyntaxError,
    "Cannot use the public key",
  );
});

Deno.test("verifySignature() continues if the registry is unreachable", async () => {
  const unreachable = new NetworkError("connection refused", {
    url: "http://localhost",
    reason: "refused",
    action: "resolve a tag",
    subject: "a tag",
  });
  const bundle = envelopeBundle(KEY, DIGEST);
  const referring = makeSource(undefined, [buildReferrer(IMAGE.descriptor, bundle)]);
  const resolve = () => Promise.reject(unreachable);

  assertEquals(await reasonsOf({ ...referring, resolve }), undefined);
  // Whether there are more signatures is unknown.
  await assertRejects(() => reasonsOf({ ...makeSource(undefined), resolve }), NetworkError);
  await assertRejects(() => reasonsOf({ ...referring, resolve }, OTHER_KEY), NetworkError);
});

Deno.test("verifySignature() gives up after four failures of the network", async () => {
  const stalled = new NetworkError("no data", {
    url: "http://localhost",
    reason: "stalled",
    action: "read a signature",
    subject: "a signature",
  });
  const referrers = Array.from({ length: 10 }, (_, i) => {
    return buildReferrer(OTHER.descriptor, { mediaType: BUNDLE, i });
  });
  let reads = 0;
  const fetch = () => {
    reads++;
    return Promise.reject(stalled);
  };

  await assertRejects(
    () => reasonsOf({ ...makeSource(undefined, referrers), fetch }),
    NetworkError,
  );

  assertEquals(reads, 4);
});
