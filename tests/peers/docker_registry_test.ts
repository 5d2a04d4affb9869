import { assert, assertEquals, assertRejects } from "@std/assert";
import { isIndexMediaType, OCI_MANIFEST } from "../../spec/mod.ts";
import {
  DEBIAN_IMAGE_NEEDS,
  debianImage,
  dockerRegistry,
  peerTest,
  pushVariants,
  runPeer,
  VARIANTS,
} from "../_support/peers.ts";

const NEEDS = ["docker-registry", "skopeo", "htpasswd"];

peerTest({
  name: "pushVariants() pushes all forms",
  needs: [...NEEDS, ...DEBIAN_IMAGE_NEEDS],
  root: true,
}, async () => {
  const image = await debianImage();
  await using registry = await dockerRegistry();

  await pushVariants(registry.host, image);

  const inspect = async (repository: string) => {
    const url = `docker://${registry.host}/${repository}:latest`;
    const { stdout } = await runPeer("skopeo", ["inspect", "--tls-verify=false", "--raw", url]);
    return JSON.parse(stdout);
  };
  const [oci, docker, zstd, index] = await Promise.all(VARIANTS.map(inspect));
  assertEquals(oci.mediaType ?? OCI_MANIFEST, OCI_MANIFEST);
  assertEquals(docker.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  for (const layer of zstd.layers) assert(layer.mediaType.endsWith("+zstd"));
  assert(isIndexMediaType(index.mediaType));
  assertEquals(
    index.manifests.map((item: { platform: { architecture: string } }) =>
      item.platform.architecture
    ),
    ["amd64", "arm64"],
  );
});

peerTest({
  name: "dockerRegistry() wants a password and a client that trusts its authority",
  needs: NEEDS,
}, async () => {
  await using registry = await dockerRegistry({
    auth: { username: "ann", password: "pw" },
    tls: true,
  });
  const { certificates, url } = registry;
  assert(certificates !== undefined);
  using client = Deno.createHttpClient({
    caCerts: [await Deno.readTextFile(certificates.ca)],
  });

  const refused = await fetch(`${url}/v2/`, { client });
  await refused.body?.cancel();
  const headers = { authorization: `Basic ${btoa("ann:pw")}` };
  const passed = await fetch(`${url}/v2/`, { client, headers });
  await passed.body?.cancel();

  assertEquals([refused.status, passed.status], [401, 200]);
  assertEquals(refused.headers.get("www-authenticate"), 'Basic realm="test"');
  await assertRejects(() => fetch(`${url}/v2/`), TypeError);
});

peerTest({
  name: "dockerRegistry() wants a client certificate",
  needs: NEEDS,
}, async () => {
  await using registry = await dockerRegistry({ clientCertificate: true });
  const { certificates, url } = registry;
  assert(certificates !== undefined);
  const caCerts = [await Deno.readTextFile(certificates.ca)];
  using stranger = Deno.createHttpClient({ caCerts });
  using known = Deno.createHttpClient({
    caCerts,
    cert: await Deno.readTextFile(certificates.clientCert),
    key: await Deno.readTextFile(certificates.clientKey),
  });

  await assertRejects(() => fetch(`${url}/v2/`, { client: stranger }), TypeError);
  const response = await fetch(`${url}/v2/`, { client: known });
  await response.body?.cancel();

  assertEquals(response.status, 200);
});
