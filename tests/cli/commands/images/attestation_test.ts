import { assertEquals, assertStringIncludes } from "@std/assert";
import { buildImage, buildIndex } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { buildReferrer, envelopeBundle, makeKey } from "../../../_support/signing.ts";
import { file, tar, toUint8Array } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { writableRegistry } from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "a"))] });
const INDEX = buildIndex([IMAGE]);
const { digest } = IMAGE.descriptor;
const SLSA = "https://slsa.dev/provenance/v1";
const SBOM = buildReferrer(IMAGE.descriptor, toUint8Array('{ "spdxVersion": 1 }\n'), {
  type: "application/spdx+json",
});
const CYCLONEDX = buildReferrer(IMAGE.descriptor, toUint8Array("<bom/>"), {
  type: "application/vnd.cyclonedx+xml",
});
const PROVENANCE = buildReferrer(
  INDEX.descriptor,
  envelopeBundle(makeKey(), INDEX.descriptor.digest, { predicateType: SLSA, predicate: { a: 1 } }),
  { annotations: { "dev.sigstore.bundle.predicateType": SLSA } },
);

Deno.test("oci sbom and oci provenance print attachments, and list them if there are several", async () => {
  await using dir = await makeTempDir();
  await using registry = writableRegistry();
  await pushBuilt(registry, "app:1", INDEX);
  await pushBuilt(registry, "none:1", INDEX);
  for (const built of [SBOM, CYCLONEDX, PROVENANCE]) await pushBuilt(registry, "app:none", built);
  const [app, none] = [`${registry.host}/app:1`, `${registry.host}/none:1`];
  const layout = `oci:${dir.join("layout")}:1`;
  const oci = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runOci(args, { env: { OCI_STORE: dir.join("store") } });
    return { code, stdout, stderr };
  };
  const on = (command: string, ...rest: readonly string[]) => {
    return oci(command, "--platform=linux/amd64", ...rest);
  };

  const provenance = await on("provenance", app);
  const chosen = await on("sbom", "--type", "SPDX", app);
  const json = await on("sbom", "--json", "--type", "cyclonedx", app);
  const several = await on("sbom", app);
  const unfit = await on("sbom", "--type", "syft", app);
  const absent = await on("sbom", none);
  const pulled = await on("pull", "-q", app);
  const fromRegistry = await on("provenance", app);
  const fromNothing = await on("provenance", "--policy=never", app);
  const copied = await oci("copy", "-q", "--with-referrers", app, layout);
  const fromLayout = await on("sbom", "--type=spdx", layout);

  assertEquals(provenance, { code: 0, stdout: '{"a":1}\n', stderr: "" });
  assertEquals(chosen, { code: 0, stdout: '{ "spdxVersion": 1 }\n', stderr: "" });
  assertEquals(JSON.parse(json.stdout), {
    reference: app,
    digest,
    platform: "linux/amd64",
    type: "application/vnd.cyclonedx+xml",
    attachment: [...CYCLONEDX.blobs.values()][1]?.descriptor.digest,
    document: "<bom/>",
  });
  assertEquals(several.code, 1);
  assertStringIncludes(
    several.stderr,
    `cannot choose an SBOM of "${app}": it has several: `,
  );
  assertStringIncludes(several.stderr, "application/spdx+json (sha256:");
  assertStringIncludes(
    unfit.stderr,
    `cannot find an SBOM of "${app}" for linux/amd64 with the type "syft": it has `,
  );
  assertEquals(absent.code, 1);
  assertStringIncludes(absent.stderr, "none is attached to it");
  assertEquals([pulled.code, copied.code], [0, 0]);
  assertEquals(fromRegistry.stdout, provenance.stdout);
  assertStringIncludes(fromNothing.stderr, "cannot find provenance of");
  assertEquals(fromLayout.stdout, chosen.stdout);
});

Deno.test("oci sbom and oci provenance use a mirror while the registry is unreachable", async () => {
  await using dir = await makeTempDir();
  await using mirror = writableRegistry();
  await pushBuilt(mirror, "app:1", INDEX);
  await pushBuilt(mirror, "none:1", INDEX);
  for (const built of [SBOM, PROVENANCE]) await pushBuilt(mirror, "app:none", built);
  const host = await (async () => {
    await using registry = writableRegistry();
    return registry.host;
  })();
  const oci = async (command: string, name: string) => {
    const args = [command, "--platform=linux/amd64", `--mirror=${host}=http://${mirror.host}`];
    const all = [...args, "--retries=0", `${host}/${name}`];
    return await runOci(all, { env: { OCI_STORE: dir.join("store") } });
  };

  const sbom = await oci("sbom", "app:1");
  const provenance = await oci("provenance", "app:1");
  const absent = await oci("sbom", "none:1");

  assertEquals([sbom.code, sbom.stdout], [0, '{ "spdxVersion": 1 }\n']);
  assertStringIncludes(sbom.stderr, `using the list of the mirror ${mirror.host}: `);
  assertEquals([provenance.code, provenance.stdout], [0, '{"a":1}\n']);
  // Only the registry knows that there is none.
  assertEquals(absent.code, 1);
  assertStringIncludes(absent.stderr, `connection refused by ${host}`);
});
