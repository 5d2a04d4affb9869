import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  LimitError,
  MAX_INDEX_ENTRIES,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  parseManifest,
} from "../../../spec/mod.ts";
import { bytes, digest } from "../_json.ts";

const CONFIG = { mediaType: OCI_CONFIG, digest: digest("config"), size: 6 };
const LAYER = { mediaType: `${OCI_LAYER}+gzip`, digest: digest("layer"), size: 5 };
const ENTRY = { mediaType: OCI_MANIFEST, digest: digest("entry"), size: 5 };
const MANIFEST = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: CONFIG, layers: [LAYER] };
const INDEX = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [ENTRY] };

function parse(value: unknown, mediaType?: string) {
  return parseManifest(bytes(value), mediaType);
}

Deno.test("parseManifest() reads a manifest with everything", () => {
  const manifest = {
    ...MANIFEST,
    artifactType: "text/plain",
    subject: ENTRY,
    annotations: { "org.example": "x" },
    layers: [{ ...LAYER, urls: ["https://example.org"], annotations: {}, data: "bGF5ZXI=" }],
  };

  assertEquals(parse(manifest), { kind: "manifest", value: manifest } as unknown);
});

Deno.test("parseManifest() reads an index with everything", () => {
  const platform = {
    os: "windows",
    architecture: "arm",
    variant: "v7",
    "os.version": "10.0.1",
    "os.features": ["win32k"],
  };
  const index = { ...INDEX, manifests: [{ ...ENTRY, platform, artifactType: "a/b" }] };

  assertEquals(parse(index), { kind: "index", value: index } as unknown);
});

const dockerConfig = { ...CONFIG, mediaType: DOCKER_CONFIG };
const dockerEntry = { ...ENTRY, mediaType: DOCKER_MANIFEST };
Deno.test.each([
  { value: { schemaVersion: 2, config: CONFIG, layers: [] }, type: OCI_MANIFEST },
  { value: { schemaVersion: 2, config: dockerConfig, layers: [] }, type: DOCKER_MANIFEST },
  { value: { schemaVersion: 2, manifests: [ENTRY] }, type: OCI_INDEX },
  { value: { schemaVersion: 2, manifests: [dockerEntry] }, type: DOCKER_MANIFEST_LIST },
  { value: { schemaVersion: 2, manifests: [] }, type: OCI_INDEX },
])("parseManifest() detects $type by its members", ({ value, type }) => {
  assertEquals(parse(value).value.mediaType, type);
  assertEquals(parse(value, "application/json").value.mediaType, type);
});

Deno.test("parseManifest() uses the media type of the response if the document has none", () => {
  const { mediaType: _, ...value } = INDEX;

  const served = `${DOCKER_MANIFEST_LIST.toUpperCase()} ; charset=utf-8`;
  assertEquals(parse(value, served).value.mediaType, DOCKER_MANIFEST_LIST);
});

Deno.test.each([
  { value: { ...MANIFEST, layers: null }, name: "layers" },
  { value: { ...MANIFEST, annotations: null, subject: null, artifactType: null }, name: "members" },
  { value: { ...INDEX, manifests: null }, name: "manifests" },
  { value: { schemaVersion: 2, manifests: null }, name: "manifests of an index without a type" },
  {
    value: { ...INDEX, manifests: [{ ...ENTRY, platform: null, urls: null }] },
    name: "a platform",
  },
  { value: { ...MANIFEST, manifests: null }, name: "manifests of a manifest" },
])("parseManifest() reads null as empty, like Go: $name", ({ value }) => {
  assert(["manifest", "index"].includes(parse(value).kind));
});

Deno.test.each([
  {},
  { os: "", architecture: "" },
  { os: "linux" },
  { architecture: "arm64", variant: "v8" },
  { os: "linux", architecture: "" },
  { os: null, architecture: "arm64" },
])(
  "parseManifest() treats an empty or incomplete platform as absent: %j",
  (platform) => {
    const { value } = parse({ ...INDEX, manifests: [{ ...ENTRY, platform }] });

    assertEquals(value, INDEX as unknown);
  },
);

Deno.test.each([
  { value: { ...MANIFEST, manifests: [ENTRY] }, at: "manifest.manifests" },
  { value: { ...MANIFEST, manifests: [] }, at: "manifest.manifests" },
  { value: { ...MANIFEST, fsLayers: [] }, at: "manifest.fsLayers" },
  { value: { ...MANIFEST, history: [] }, at: "manifest.history" },
  { value: { ...INDEX, history: [] }, at: "manifest.history" },
  { value: { ...MANIFEST, Layers: [LAYER] }, at: "manifest.Layers" },
  { value: { ...MANIFEST, "layer\u017f": [LAYER] }, at: 'manifest["layer\u017f"]' },
  { value: { ...MANIFEST, MANIFESTS: [ENTRY] }, at: "manifest.MANIFESTS" },
  { value: { ...MANIFEST, mediatype: OCI_INDEX }, at: "manifest.mediatype" },
  {
    value: { ...MANIFEST, config: { ...CONFIG, Digest: LAYER.digest } },
    at: "manifest.config.Digest",
  },
  { value: { ...INDEX, manifests: [{ ...ENTRY, SIZE: 1 }] }, at: "manifest.manifests[0].SIZE" },
  {
    value: { ...INDEX, manifests: [{ ...ENTRY, platform: { os: "linux", OS: "windows" } }] },
    at: "manifest.manifests[0].platform.OS",
  },
  { value: { ...INDEX, layers: [LAYER] }, at: "manifest.layers" },
  { value: { ...INDEX, config: CONFIG }, at: "manifest.config" },
  { value: { schemaVersion: 2, manifests: [], config: CONFIG }, at: "manifest.config" },
  { value: MANIFEST, served: OCI_INDEX, at: "manifest.mediaType" },
  { value: INDEX, served: OCI_MANIFEST, at: "manifest.mediaType" },
  { value: MANIFEST, served: DOCKER_MANIFEST, at: "manifest.mediaType" },
  { value: { schemaVersion: 2, manifests: [] }, served: OCI_MANIFEST, at: "manifest.manifests" },
  {
    value: { schemaVersion: 2, config: CONFIG, layers: [] },
    served: OCI_INDEX,
    at: "manifest.config",
  },
])("parseManifest() rejects ambiguous documents: $at", (row) => {
  assertThrows(
    () => parse(row.value, "served" in row ? row.served : undefined),
    SyntaxError,
    `Cannot read ${row.at}: `,
  );
});

Deno.test.each([
  { value: [], message: "Cannot read manifest: it must be an object, but it is an array" },
  { value: null, message: "Cannot read manifest: it must be an object, but it is null" },
  { value: {}, message: "Cannot read manifest.schemaVersion: it must be 2, but it is undefined" },
  { value: { schemaVersion: 1 }, message: "schema 1 of Docker images is no longer supported" },
  { value: { ...MANIFEST, schemaVersion: "2" }, message: 'it is "2"' },
  { value: { ...MANIFEST, mediaType: "a/b" }, message: 'manifest or an index, but it is "a/b"' },
  { value: { mediaType: "a/b", blobs: [] }, message: 'manifest or an index, but it is "a/b"' },
  { value: { ...MANIFEST, mediaType: 1 }, message: "manifest.mediaType: it must be a string" },
  { value: { ...MANIFEST, layers: {} }, message: "manifest.layers: it must be an array" },
  { value: { ...MANIFEST, config: null }, message: "manifest.config: it must be an object" },
  { value: { ...MANIFEST, layers: [LAYER, null] }, message: "manifest.layers[1]: " },
  {
    value: { ...MANIFEST, layers: [LAYER, { ...LAYER, size: LAYER.size + 1 }] },
    message: "it must be 5, the size of an earlier layer with this digest, but it is 6",
  },
  {
    value: { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] },
    message: "manifest.layers[0].size: it must be a whole number >= 0, but it is -1",
  },
  { value: { ...MANIFEST, layers: [{ ...LAYER, size: "5" }] }, message: 'it is "5"' },
  { value: { ...MANIFEST, layers: [{ ...LAYER, size: 0.5 }] }, message: "it is 0.5" },
  {
    value: { ...MANIFEST, layers: [{ ...LAYER, digest: "sha256:0" }] },
    message: 'it is "sha256:0"',
  },
  { value: { ...MANIFEST, layers: [{ ...LAYER, digest: "md5:../a" }] }, message: '"md5:../a"' },
  { value: { ...MANIFEST, subject: { ...ENTRY, size: null } }, message: "manifest.subject.size" },
  {
    value: { ...MANIFEST, annotations: { "a\n\u001b[2J": 1 } },
    message: String.raw`manifest.annotations["a\n\u001b[2J"]: it must be a string, but it is 1`,
  },
  { value: { ...INDEX, manifests: [{ ...ENTRY, platform: "linux" }] }, message: ".platform" },
  {
    value: { ...INDEX, manifests: [{ ...ENTRY, platform: { os: 1, architecture: "arm" } }] },
    message: "platform.os: it must be a string, but it is 1",
  },
  {
    value: { ...INDEX, manifests: [{ ...ENTRY, platform: { os: "linux", "os.version": 1 } }] },
    message: 'platform["os.version"]',
  },
])("parseManifest() names the invalid value: $message", ({ value, message }) => {
  assertThrows(() => parse(value), SyntaxError, message);
});

Deno.test.each([
  { member: "mediaType", value: "" },
  { member: "mediaType", value: "a/b\n" },
  { member: "mediaType", value: "a/b\u009b2J" },
  { member: "mediaType", value: 1 },
  { member: "artifactType", value: "a/b\u0000" },
  { member: "urls", value: [1] },
  { member: "data", value: 1 },
])("parseManifest() refuses descriptors that the specification forbids: $member $value", (row) => {
  const { member, value } = row;

  for (
    const document of [
      { ...MANIFEST, config: { ...CONFIG, [member]: value } },
      { ...MANIFEST, layers: [{ ...LAYER, [member]: value }] },
      { ...MANIFEST, subject: { ...LAYER, [member]: value } },
      { ...INDEX, manifests: [{ ...ENTRY, [member]: value }] },
    ]
  ) {
    assertThrows(() => parse(document), SyntaxError, `.${member}`);
  }
});

const ODD_TYPES = [
  "mytype",
  "application",
  ".foo/bar",
  "foo/bar/baz",
  "my type",
  "тип",
  `${"a".repeat(128)}/b`,
  `a/${"b".repeat(128)}`,
];

Deno.test.each(ODD_TYPES)("parseManifest() keeps the media type %j of opaque content", (odd) => {
  const manifest = {
    ...MANIFEST,
    artifactType: odd,
    layers: [{ ...LAYER, mediaType: odd, artifactType: odd }],
    subject: { ...ENTRY, mediaType: odd },
  };
  const index = { ...INDEX, artifactType: odd, manifests: [{ ...ENTRY, mediaType: odd }] };

  for (const document of [manifest, index]) {
    assertEquals(parse(document).value, document as unknown);
  }
});

Deno.test.each(["", ...ODD_TYPES])(
  "parseManifest() refuses a config of type %j, which determines how it is read",
  (mediaType) => {
    assertThrows(
      () => parse({ ...MANIFEST, config: { ...CONFIG, mediaType } }),
      SyntaxError,
      "manifest.config.mediaType: it must be a media type",
    );
  },
);

Deno.test("parseManifest() keeps URLs that cannot be parsed", () => {
  const layers = [{ ...LAYER, urls: ["", "value", "http://[", "https://example.org"] }];

  assertEquals(parse({ ...MANIFEST, layers }).value, { ...MANIFEST, layers } as unknown);
});

Deno.test("parseManifest() accepts descriptors at the limits of the specification", () => {
  const layers = [
    { ...LAYER, mediaType: `${"1".repeat(127)}/${"2".repeat(127)}`, data: "bGF5ZXI=" },
    { ...LAYER, mediaType: "a/b;version=0.3", urls: ["https://[::1]/a%20b"] },
    { ...LAYER, digest: "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8" },
  ];

  assertEquals(parse({ ...MANIFEST, layers }).value, { ...MANIFEST, layers } as unknown);
});

Deno.test("parseManifest() reads an empty artifact type as absent", () => {
  const manifest = { ...MANIFEST, layers: [{ ...LAYER, artifactType: "" }], artifactType: "" };

  assertEquals(parse(manifest).value, MANIFEST as unknown);
});

Deno.test("parseManifest() refuses an artifact type with control characters", () => {
  for (const document of [MANIFEST, INDEX]) {
    assertThrows(
      () => parse({ ...document, artifactType: "a/b\n" }),
      SyntaxError,
      "manifest.artifactType: ",
    );
  }
});

Deno.test.each([
  { json: "", name: "nothing" },
  { json: "{", name: "truncated" },
  { json: '{"schemaVersion": 02}', name: "an octal number" },
  { json: "{'schemaVersion': 2}", name: "apostrophes" },
  { json: '{"schemaVersion": 2} {}', name: "two documents" },
  { json: "\u0000", name: "a NUL" },
])("parseManifest() refuses text that is not JSON: $name", ({ json }) => {
  assertThrows(() => parse(json), SyntaxError, "must be JSON in UTF-8");
});

Deno.test("parseManifest() rejects bytes that are not UTF-8", () => {
  const text = JSON.stringify({ ...MANIFEST, annotations: { a: "~" } });
  const document = bytes(text).map((byte) => byte === 0x7e ? 0xff : byte);

  assertThrows(() => parseManifest(document), SyntaxError, "must be JSON in UTF-8");
});

Deno.test("parseManifest() rejects a byte order mark, as Go does", () => {
  const document = `\ufeff${JSON.stringify(INDEX)}`;

  assertThrows(() => parse(document), SyntaxError, "without a byte order mark");
});

Deno.test("parseManifest() rejects numbers that are not exact", () => {
  for (const size of ["9007199254740993", "1e400", "1e-1", "1.0", "1e2"]) {
    const text = JSON.stringify(MANIFEST).replace(`"size":5`, `"size":${size}`);

    assertThrows(() => parse(text), SyntaxError, "manifest.layers[0].size");
  }
});

Deno.test("parseManifest() reads the last of duplicate members, like Go", () => {
  const text = JSON.stringify(MANIFEST);
  const twice = text.replace(`"size":5`, `"size":1,"size":5`);

  assertEquals(parse(twice).value, MANIFEST as unknown);
});

Deno.test("parseManifest() ignores members of Object.prototype", () => {
  const text = `{"__proto__": {"layers": []}, "schemaVersion": 2, "mediaType": "${OCI_MANIFEST}",
    "config": ${JSON.stringify(CONFIG)}, "layers": [],
    "annotations": {"__proto__": "a", "constructor": "b"}}`;

  const { annotations = {} } = parse(text).value;

  assertEquals(Object.entries(annotations), [["__proto__", "a"], ["constructor", "b"]]);
  assertEquals(Object.getPrototypeOf(annotations), Object.prototype);
  assertThrows(() => parse(`{"__proto__": ${JSON.stringify(MANIFEST)}}`), SyntaxError);
});

Deno.test("parseManifest() limits nesting", () => {
  const nested = (levels: number) => {
    const list = "[".repeat(levels) + "]".repeat(levels);
    return JSON.stringify({ ...MANIFEST, extra: "~" }).replace('"~"', list);
  };
  assertEquals(parse(nested(999)).value, MANIFEST as unknown);

  for (const levels of [1000, 500_000]) {
    const error = assertThrows(() => parse(nested(levels)), LimitError);
    assertEquals([error.limit, error.max, error.value], ["JSON levels", 1000, 1001]);
  }
});

Deno.test("parseManifest() limits the number of layers", () => {
  const document = (length: number) =>
    bytes({ ...MANIFEST, layers: Array.from({ length }, () => LAYER) });

  assertEquals(parseManifest(document(256)).kind, "manifest");
  assertEquals(parseManifest(document(257), undefined, 257).kind, "manifest");
  const error = assertThrows(() => parseManifest(document(257)), LimitError);
  assertEquals([error.limit, error.max, error.value], ["layers", 256, 257]);
});

Deno.test("parseManifest() limits the number of entries", () => {
  const document = (length: number) => ({
    ...INDEX,
    manifests: Array.from({ length }, () => ENTRY),
  });

  assertEquals(parse(document(MAX_INDEX_ENTRIES)).kind, "index");
  assertThrows(() => parse(document(MAX_INDEX_ENTRIES + 1)), LimitError);
});

Deno.test("parseManifest() keeps the media types of artifacts", () => {
  const manifest = {
    ...MANIFEST,
    config: { ...CONFIG, mediaType: "application/vnd.cncf.helm.config.v1+json" },
    layers: [{ ...LAYER, mediaType: DOCKER_LAYER }, { ...LAYER, mediaType: "text/x; a=b" }],
  };

  assertEquals(parse(manifest).value, manifest as unknown);
});

Deno.test.each([
  { mediaType: "application/octet-stream" },
  { mediaType: "application/json" },
  { mediaType: "text/html" },
  { mediaType: "" },
])(
  "parseManifest() replaces the mistaken config type '$mediaType' in a Docker manifest",
  ({ mediaType }) => {
    const config = { ...CONFIG, mediaType };
    const docker = parse({ ...MANIFEST, mediaType: DOCKER_MANIFEST, config });

    assert(docker.kind === "manifest");
    assertEquals(docker.value.config, { ...CONFIG, mediaType: DOCKER_CONFIG });
    if (mediaType === "") return;
    assertEquals(parse({ ...MANIFEST, config }).value, { ...MANIFEST, config } as unknown);
  },
);
