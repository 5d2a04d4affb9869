import { assertEquals } from "@std/assert";
import { ociSession } from "../_support/oci_session.ts";
import { dockerRegistry, peerTest, runPeer } from "../_support/peers.ts";
import { makeTempDir } from "../_support/temp.ts";

const runOci = ociSession();

peerTest({
  name: "oci artifact push and pull pass through docker-registry and skopeo, digests equal",
  needs: ["docker-registry", "skopeo"],
}, async () => {
  await using dir = await makeTempDir();
  await using registry = await dockerRegistry();
  const { host } = registry;
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const oci = async (...args: string[]) => {
    const { code, stdout, stderr } = await runOci([...args, "-q"], { env, cwd: dir.path });
    assertEquals(code, 0, stderr);
    return stdout.trimEnd();
  };
  await Deno.writeTextFile(dir.join("sbom.json"), '{"packages":[]}');
  const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];

  const digest = await oci(
    ...["artifact", "push", "--type=application/spdx+json", `${host}/sbom:1`],
    "sbom.json:application/spdx+json",
  );
  await runPeer("skopeo", [
    ...["copy", "--insecure-policy", ...tls],
    ...[`docker://${host}/sbom:1`, `oci:${dir.join("layout")}:v1`],
  ], { env });
  await runPeer("skopeo", [
    ...["copy", "--insecure-policy", ...tls],
    ...[`oci:${dir.join("layout")}:v1`, `docker://${host}/copied:1`],
  ], { env });
  const pulled = await oci("pull", `${host}/copied:1`);
  const files = await oci("artifact", "pull", `${host}/copied:1`, "out");
  await oci("save", `${host}/copied:1`, "-o", "a.tar");
  const saved = await runPeer("skopeo", ["inspect", "--raw", `oci-archive:${dir.join("a.tar")}`]);

  assertEquals(pulled, `${host}/copied:1@${digest}`);
  assertEquals(files, "sbom.json");
  assertEquals(await Deno.readTextFile(dir.join("out/sbom.json")), '{"packages":[]}');
  assertEquals(JSON.parse(saved.stdout).artifactType, "application/spdx+json");
});
