/**
 * A separate registry for each test: no container, no daemon, no fixed port, nothing to clean up.
 * Any client can push to it: references begin with `registry.host`, and requests with
 * `registry.url`.
 *
 *     deno test --allow-net=127.0.0.1 examples/serve_in_a_test.ts
 */
import { assertEquals } from "@std/assert";
import { parseReference, RemoteClient, serveRegistry } from "@x/oci/registry";
import { type Descriptor, digestOf, OCI_CONFIG, OCI_MANIFEST } from "@x/oci/spec";

/** The program under test: publishes an image without layers. */
async function publish(repository: string, tag: string): Promise<void> {
  const config = await upload(repository, OCI_CONFIG, {
    os: "linux",
    architecture: "amd64",
    config: {},
    rootfs: { type: "layers", diff_ids: [] },
  });
  const response = await fetch(`${repository}/manifests/${tag}`, {
    method: "PUT",
    headers: { "content-type": OCI_MANIFEST },
    body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] }),
  });
  await response.body?.cancel();
  assertEquals(response.status, 201);
}

async function upload(repository: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const body = new TextEncoder().encode(JSON.stringify(value));
  const digest = digestOf(body);
  const url = `${repository}/blobs/uploads/?digest=${digest}`;
  const response = await fetch(url, { method: "POST", body });
  await response.body?.cancel();
  assertEquals(response.status, 201);
  return { mediaType, digest, size: body.length };
}

Deno.test("publish() publishes an image that can be pulled", async () => {
  await using registry = await serveRegistry();

  await publish(`${registry.url}/v2/team/app`, "v1");

  using client = new RemoteClient({ credentials: "none" });
  const reference = parseReference(`${registry.host}/team/app:v1`);
  const image = await client.image(reference, { platform: "linux/amd64" });
  assertEquals(image.layers.length, 0);
});

Deno.test("publish() needs a registry that lets it write", async () => {
  const requests: string[] = [];
  await using registry = await serveRegistry(undefined, {
    readOnly: true,
    onRequest: ({ method, status }) => requests.push(`${method} ${status}`),
  });

  await publish(`${registry.url}/v2/team/app`, "v1").catch(() => {});

  assertEquals(requests, ["POST 405"]);
});
