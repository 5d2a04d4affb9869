import { assertEquals, assertStringIncludes } from "@std/assert";
import { hostPlatform } from "../../../../registry/mod.ts";
import { formatPlatform } from "../../../../spec/mod.ts";
import { buildImage } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import type { ProcessResult } from "../../../_support/process.ts";
import { buildTagged, makeKey, signatureTag, signTagged } from "../../../_support/signing.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { writableRegistry } from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

const runOci = ociSession();

/** Runs command lines one after another with a store. */
async function runAll(
  commandLines: readonly (readonly string[])[],
  store: string,
): Promise<readonly ProcessResult[]> {
  const results: ProcessResult[] = [];
  for (const args of commandLines) results.push(await runOci(args, { env: { OCI_STORE: store } }));
  return results;
}

const platform = formatPlatform(hostPlatform());
const config = { Cmd: ["/a"] };
const SIGNED = buildImage({ layers: [tar(file("a", "signed"))], platform, config });
const UNSIGNED = buildImage({ layers: [tar(file("a", "unsigned"))], platform, config });

Deno.test("--verify accepts a signed image, and refuses an unsigned one in each command", async () => {
  await using dir = await makeTempDir();
  await using registry = writableRegistry();
  const key = makeKey();
  const [pub, other] = [dir.join("cosign.pub"), dir.join("other.pub")];
  await Deno.writeTextFile(pub, key.pem);
  await Deno.writeTextFile(other, makeKey("ed25519").pem);
  const { digest } = SIGNED.descriptor;
  await pushBuilt(registry, "app:signed", SIGNED);
  await pushBuilt(registry, "app:unsigned", UNSIGNED);
  const tagged = buildTagged([signTagged(key, digest), signTagged(makeKey(), digest)]);
  await pushBuilt(registry, `app:${signatureTag(digest)}`, tagged);
  const verify = `--verify=key=${pub}`;
  const name = (tag: string) => `${registry.host}/app:${tag}`;
  const commands = (tag: string): readonly (readonly string[])[] => [
    ["pull", verify, name(tag)],
    ["pull", "--all-platforms", verify, name(tag)],
    ["unpack", verify, name(tag), dir.join(`rootfs-${tag}`)],
    ["bundle", "--bundler=uncompressed", verify, name(tag), dir.join(`bundle-${tag}`)],
    ["copy", verify, name(tag), `${registry.host}/copy:${tag}`],
  ];
  // No runtime need be installed, because the signature is verified first.
  const run = ["run", "--runtime", Deno.execPath(), verify, name("unsigned")];
  const wrong = ["pull", `--verify=key=${other}`, name("signed")];
  const hostile = [
    ["pull", "--verify=cosign.pub", name("signed")],
    ["pull", `--verify=key=${dir.join("none")}`, name("signed")],
    ["pull", `--verify=key=${import.meta.filename}`, name("signed")],
    ["pull", "--verify=identity=ann@example.com", name("signed")],
    ["pull", "--verify=identity-regexp=(,issuer=https://a.example", name("signed")],
  ];
  const keyless = ["pull", "--verify=identity=a,b,issuer=https://a.example", name("signed")];

  const results = await runAll(
    [
      ...commands("unsigned"),
      run,
      ["images", "--json"],
      wrong,
      ...commands("signed"),
      ...hostile,
      keyless,
    ]
      .map(([command = "", ...rest]) => [command, "-q", ...rest]),
    dir.join("store"),
  );

  const refused = results.slice(0, 6);
  for (const { code, stderr } of refused) {
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      `cannot verify "${name("unsigned")}": it has no signature. ` +
        "Ask its owner to sign it with cosign",
    );
  }
  assertEquals(results[6]?.stdout, "[]\n");
  assertEquals(results[7]?.code, 1);
  assertStringIncludes(
    results[7]?.stderr ?? "",
    "none of its 2 signatures is valid: it does not match the key. Check the signer of --verify",
  );
  assertEquals(results.slice(8, 13).map(({ code }) => code), [0, 0, 0, 0, 0]);
  assertEquals(results.slice(13).map(({ code }) => code), [2, 2, 2, 2, 2, 1]);
  assertStringIncludes(
    results[13]?.stderr ?? "",
    "it must be key=FILE, identity=NAME,issuer=URL or identity-regexp=REGEXP",
  );
  assertStringIncludes(results[15]?.stderr ?? "", "it is not a public key in PEM");
  assertStringIncludes(results[16]?.stderr ?? "", "it must be key=FILE, identity=NAME");
  assertStringIncludes(results[17]?.stderr ?? "", "it must have a regular expression");
  assertStringIncludes(
    results[18]?.stderr ?? "",
    "none of its 2 signatures is valid: it has no certificate",
  );
  assertEquals((await registry.content.resolve("copy", "signed"))?.digest, digest);
  assertEquals(await registry.content.resolve("copy", "unsigned"), undefined);
});

Deno.test("oci copy --all-tags --verify verifies images, and not the tags of their signatures", async () => {
  await using dir = await makeTempDir();
  await using registry = writableRegistry();
  const key = makeKey();
  const pub = dir.join("cosign.pub");
  await Deno.writeTextFile(pub, key.pem);
  const tag = signatureTag(SIGNED.descriptor.digest);
  await pushBuilt(registry, "app:1", SIGNED);
  await pushBuilt(registry, `app:${tag}`, buildTagged([signTagged(key, SIGNED.descriptor.digest)]));
  await pushBuilt(registry, "mixed:2", UNSIGNED);
  const copy = ["copy", "--all-tags", `--verify=key=${pub}`, "--progress=none"];
  const { host } = registry;

  const results = await runAll([
    [...copy, `${host}/app`, `${host}/bare`],
    [...copy, "--with-referrers", `${host}/app`, `${host}/whole`],
    [...copy, `${host}/mixed`, `${host}/none`],
  ], dir.join("store"));

  assertEquals(results.map(({ code }) => code), [0, 0, 1]);
  assertStringIncludes(
    results[0]?.stderr ?? "",
    "tags of signatures left out: 1. Add --with-referrers to copy signatures",
  );
  assertEquals(results[1]?.stderr, "");
  assertStringIncludes(results[2]?.stderr ?? "", `cannot verify "${host}/mixed:2"`);
  const tags = (name: string) =>
    Promise.all(
      ["1", tag].map(async (tag) => await registry.content.resolve(name, tag) !== undefined),
    );
  assertEquals([await tags("bare"), await tags("whole")], [[true, false], [true, true]]);
});
