import { assertEquals } from "@std/assert";
import { RemoteClient, serveRegistry } from "../../../registry/mod.ts";
import { ProxyRegistryContent } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  basicAuth,
  busy,
  cut,
  digestHeader,
  extraBytes,
  type Fault,
  type FaultRule,
  faultyRegistry,
  gzipEncoded,
  missingBytes,
  on,
  redirect,
  registryError,
  stall,
  wrongByte,
  wrongLength,
} from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const IMAGE = buildImage({ layers: [noise(900_000, 1)], compression: "none" });
const LAYER = IMAGE.layers[0] ?? IMAGE;
const MANIFEST_PATH = "/v2/team/app/manifests/v1";
const LAYER_PATH = `/v2/team/app/blobs/${LAYER.descriptor.digest}`;
const OTHER = `sha256:${"0".repeat(64)}`;

/** Response to a client: the whole body, an error status, or a broken body. */
type Outcome = "served" | "refused" | "broken";

async function outcomeOf(url: string, expected: Uint8Array<ArrayBuffer>): Promise<Outcome> {
  try {
    const response = await fetch(url);
    const bytes = await response.bytes();
    if (!response.ok) return "refused";
    assertEquals(bytes.length, expected.length);
    assertEquals(bytes, expected);
    return "served";
  } catch (error) {
    if (error instanceof TypeError) return "broken";
    throw error;
  }
}

/** A fault that occurs twice: for the first attempt and for one retry. */
const twice = (fault: Fault): FaultRule => on({ kind: "blob", method: "GET", times: 2 }, fault);
const always = (fault: Fault): FaultRule => on({ kind: "blob", method: "GET" }, fault);
const manifests = (fault: Fault): FaultRule => on({ kind: "manifest" }, fault);

const ROWS: readonly {
  readonly name: string;
  readonly rule: FaultRule;
  /** What a client receives for the manifest, by default all of it. */
  readonly manifest?: Outcome;
  /** What a client receives for the layer, by default all of it. */
  readonly layer?: Outcome;
  /** Whether upstream sends nothing for longer than the timeout. */
  readonly isSilent?: boolean;
}[] = [
  { name: "cuts blobs", rule: always(cut(300_000)) },
  { name: "stalls", rule: twice(stall(200_000)), isSilent: true },
  { name: "sends no head", rule: always(stall()), layer: "refused", isSilent: true },
  { name: "sends a wrong byte", rule: always(wrongByte(5)), layer: "broken" },
  { name: "sends a wrong last byte", rule: always(wrongByte(899_999)), layer: "broken" },
  { name: "sends too few bytes", rule: always(missingBytes()), layer: "refused" },
  { name: "sends too many bytes", rule: always(extraBytes()), layer: "refused" },
  { name: "compresses blobs", rule: always(gzipEncoded()) },
  { name: "is busy", rule: twice(busy(429, 0)) },
  { name: "stays busy", rule: always(busy(429, 0)), layer: "refused" },
  { name: "loses blobs", rule: always(registryError(404, "BLOB_UNKNOWN")), layer: "refused" },
  { name: "sends no digest", rule: manifests(digestHeader(undefined)) },
  { name: "sends another digest", rule: manifests(digestHeader(OTHER)), manifest: "refused" },
  {
    name: "changes manifests",
    rule: on({ kind: "manifest", method: "GET" }, wrongByte(9)),
    manifest: "refused",
  },
  {
    name: "sends a wrong length of manifests",
    rule: on({ kind: "manifest", method: "HEAD" }, wrongLength(1)),
    manifest: "refused",
  },
  { name: "requires a login", rule: on({}, basicAuth({ ann: "secret" })) },
];

Deno.test.each(ROWS)(
  "ProxyRegistryContent serves nothing wrong where upstream $name",
  async ({ rule, manifest = "served", layer = "served", isSilent = false }) => {
    await using upstream = faultyRegistry(new MemoryContent().add("team/app", "v1", IMAGE), [
      rule,
    ]);
    await using store = await makeTempStore();
    using client = new RemoteClient({
      credentials: {
        find: () =>
          Promise.resolve({ auth: { username: "ann", password: "secret" }, source: "test" }),
      },
      retries: 3,
      stallTimeoutMs: isSilent ? 500 : 30_000,
      backoff: { firstMs: 1, maxMs: 1 },
    });
    const content = new ProxyRegistryContent(store, client, { registry: upstream.host });
    await using proxy = await serveRegistry(content);
    const fetchBoth = async () => ({
      manifest: await outcomeOf(`${proxy.url}${MANIFEST_PATH}`, IMAGE.bytes),
      layer: await outcomeOf(`${proxy.url}${LAYER_PATH}`, LAYER.bytes),
    });

    const faulty = await fetchBoth();
    const stored = await store.has(LAYER.descriptor);
    upstream.heal();
    const healed = await fetchBoth();

    assertEquals(faulty, { manifest, layer });
    assertEquals(stored, layer === "served");
    assertEquals(healed, { manifest: "served", layer: "served" });
  },
);

Deno.test("ProxyRegistryContent follows redirects of blobs to another host", async () => {
  const images = new MemoryContent().add("team/app", "v1", IMAGE);
  await using storage = await serveRegistry(images);
  await using upstream = faultyRegistry(images, [
    on({ kind: "blob", method: "GET" }, redirect(`${storage.url}${LAYER_PATH}`)),
  ]);
  await using store = await makeTempStore();
  using client = new RemoteClient({ credentials: "none", retries: 0 });
  const content = new ProxyRegistryContent(store, client, { registry: upstream.host });
  await using proxy = await serveRegistry(content);
  await outcomeOf(`${proxy.url}${MANIFEST_PATH}`, IMAGE.bytes);

  assertEquals(await outcomeOf(`${proxy.url}${LAYER_PATH}`, LAYER.bytes), "served");
});
