import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import crypto from "node:crypto";
import type { NamedSource } from "../../../spec/mod.ts";
import { verifySignature } from "../../../store/attachments/verify_signature.ts";
import { SignatureError } from "../../../store/errors.ts";
import type { Built } from "../../_support/image.ts";
import {
  buildReferrer,
  buildTagged,
  makeKey,
  signTagged,
  type TaggedSignature,
} from "../../_support/signing.ts";
import { IDENTITY, ISSUER, makeSigstore, type SignerOptions } from "../../_support/sigstore.ts";
import { DIGEST, IMAGE, makeSource, OTHER } from "./_signed_source.ts";

const SIGSTORE = makeSigstore();
const { trustedRoot } = SIGSTORE;
const SIGNER = { identity: IDENTITY, issuer: ISSUER, trustedRoot };

type Way = "tag" | "statement" | "manifest";

function signed(way: Way, signer?: SignerOptions, by = SIGSTORE, image: Built = IMAGE) {
  const { digest } = image.descriptor;
  if (way === "tag") return makeSource(buildTagged([by.signTagged(digest, signer)]));
  const bundle = way === "statement"
    ? by.envelopeBundle(digest, signer)
    : by.messageBundle(image, signer);
  return makeSource(undefined, [buildReferrer(IMAGE.descriptor, bundle)]);
}

async function reasonsOf(source: NamedSource, signer = SIGNER): Promise<string | undefined> {
  try {
    await verifySignature([source], IMAGE, signer);
    return undefined;
  } catch (error) {
    if (error instanceof SignatureError) return error.reasons.join("; ");
    throw error;
  }
}

for (const way of ["tag", "statement", "manifest"] as const) {
  Deno.test(`verifySignature() accepts an identity whose signature is over the ${way}`, async () => {
    const mail = { identity: "ann@example.com", issuer: "https://accounts.example" };

    assertEquals(await reasonsOf(signed(way)), undefined);
    assertEquals(await reasonsOf(signed(way, mail), { ...mail, trustedRoot }), undefined);
    assertEquals(
      await reasonsOf(signed(way), {
        ...SIGNER,
        identity: /https:\/\/github\.com\/owner\/.+|x/ as never,
      }),
      undefined,
    );
  });

  Deno.test(`verifySignature() rejects other signers of the ${way}`, async () => {
    const source = signed(way);
    const refusals = [
      [{ ...SIGNER, identity: `${IDENTITY}x` }, `it was made by "${IDENTITY}"`],
      [{ ...SIGNER, identity: IDENTITY.slice(1) }, `it was made by "${IDENTITY}"`],
      [{ ...SIGNER, identity: /owner\/app/ as never }, `it was made by "${IDENTITY}"`],
      [{ ...SIGNER, identity: /https:|x/ as never }, `it was made by "${IDENTITY}"`],
      [{ ...SIGNER, issuer: `${ISSUER}.evil` }, `its issuer is "${ISSUER}"`],
    ] as const;

    for (const [signer, reason] of refusals) {
      assertEquals(await reasonsOf(source, signer), reason);
    }
  });

  Deno.test(`verifySignature() rejects an untrusted certificate of the ${way}`, async () => {
    const sources = {
      "of another instance": signed(way, {}, makeSigstore()),
      "that is not logged": signed(way, { isLogged: false }),
      "that had expired": signed(way, { from: Date.UTC(2025, 11, 31) }),
      "of the public instance": signed(way),
    };

    for (const [what, source] of Object.entries(sources)) {
      const isPublic = what === "of the public instance";
      const signer = isPublic ? { ...SIGNER, trustedRoot: undefined as never } : SIGNER;
      const reason = await reasonsOf(source, signer);
      assertStringIncludes(
        reason ?? what,
        "its certificate, log entry or timestamp is not valid (",
      );
    }
  });

  Deno.test(`verifySignature() rejects a signature of another image over the ${way}`, async () => {
    const reason = await reasonsOf(signed(way, {}, SIGSTORE, OTHER));

    assertStringIncludes(reason ?? "", way === "manifest" ? "that of the image" : DIGEST);
  });
}

Deno.test("verifySignature() rejects a signature by a key if it requires an identity", async () => {
  const source = makeSource(buildTagged([signTagged(makeKey(), DIGEST)]));

  assertEquals(await reasonsOf(source), "it has no certificate");
});

Deno.test("verifySignature() verifies the parts of a bundle that it read, and no others", async () => {
  const { messageSignature } = SIGSTORE.messageBundle(IMAGE);
  const { messageSignature: others } = SIGSTORE.messageBundle(OTHER);
  const { signature } = others as { readonly signature: string };
  const statement = SIGSTORE.envelopeBundle(OTHER.descriptor.digest);
  const bundles = [
    { ...statement, messageSignature },
    { ...statement, messageSignature: { signature } },
    { ...SIGSTORE.messageBundle(OTHER), messageSignature, dsseEnvelope: statement.dsseEnvelope },
  ];

  for (const bundle of bundles) {
    const source = makeSource(undefined, [buildReferrer(IMAGE.descriptor, bundle)]);
    assertStringIncludes(await reasonsOf(source) ?? "", "is not valid");
  }
});

/** Replaces a member of the log entry in the annotations of a signature. */
function forged(members: Readonly<Record<string, unknown>>): TaggedSignature {
  const signature = SIGSTORE.signTagged(DIGEST);
  const key = "dev.sigstore.cosign/bundle";
  const { SignedEntryTimestamp, Payload } = JSON.parse(signature.annotations[key] ?? "");
  const value = JSON.stringify({ SignedEntryTimestamp, Payload: { ...Payload, ...members } });
  return { ...signature, annotations: { ...signature.annotations, [key]: value } };
}

Deno.test.each([
  { members: { integratedTime: 1 }, reason: "is not valid" },
  { members: { logIndex: 5 }, reason: "is not valid" },
  { members: { logID: "00" }, reason: "is not valid" },
  { members: { logID: "zz" }, reason: "it must be hexadecimal" },
  { members: { body: "%" }, reason: "it must be base64" },
  { members: { body: btoa("{}") }, reason: "is not valid" },
])("verifySignature() rejects a log entry with $members", async ({ members, reason }) => {
  assertStringIncludes(
    await reasonsOf(makeSource(buildTagged([forged(members)]))) ?? "",
    reason,
  );
});

Deno.test("verifySignature() rejects a trusted root that is not JSON", async () => {
  const signer = { ...SIGNER, trustedRoot: "{" };

  await assertRejects(() => reasonsOf(signed("tag"), signer), SyntaxError);
});

Deno.test("verifySignature() provides the default digest that crypto.verify() lacks", async () => {
  const { verify } = crypto;
  const { privateKey, publicKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const bytes = new Uint8Array(1);
  const signature = crypto.sign("sha256", bytes, privateKey);

  // Node has a default. Once Deno has one as well, remove the replacement.
  assertThrows(() => verify(undefined, bytes, publicKey, signature), TypeError);
  assertEquals(await reasonsOf(signed("tag")), undefined);
  assert(crypto.verify === verify);
});
