import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  choosePlatform,
  type Descriptor,
  formatPlatform,
  type Index,
  isRunnable,
  OCI_INDEX,
  OCI_MANIFEST,
  parseManifest,
  parsePlatform,
  PlatformError,
  platformFit,
} from "../../../spec/mod.ts";
import { bytes, digest } from "../_json.ts";

function entry(platform?: string, more: Partial<Descriptor> = {}): Descriptor {
  const content = { mediaType: OCI_MANIFEST, digest: digest(platform ?? ""), size: 1, ...more };
  return platform === undefined ? content : { platform: parsePlatform(platform), ...content };
}

function indexOf(...manifests: Descriptor[]): Index {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

/** Returns the platform that is chosen, or `undefined`. */
function choose(wanted: string, offered: readonly string[]): string | undefined {
  try {
    const { platform } = choosePlatform(
      indexOf(...offered.map((p) => entry(p))),
      parsePlatform(wanted),
    );
    return platform && formatPlatform(platform);
  } catch (error) {
    if (error instanceof PlatformError) return undefined;
    throw error;
  }
}

// Each row: the wanted platform; those that run on it, the best first; those that do not.
Deno.test.each([
  {
    wanted: "linux/arm64/v9",
    runs: ["linux/arm64/v9", "linux/arm64/v8.2", "linux/arm64/v8", "linux/arm64"],
    not: ["linux/arm64/v9.1", "linux/arm/v8", "linux/arm/v7", "freebsd/arm64/v9"],
  },
  {
    wanted: "linux/arm64/v8",
    runs: ["linux/arm64/v8", "linux/arm64"],
    not: ["linux/arm64/v9", "linux/arm64/v8.1"],
  },
  { wanted: "linux/arm64", runs: ["linux/arm64", "linux/arm64/v8"], not: ["linux/arm64/v9"] },
  { wanted: "linux/arm64/unknown", runs: ["linux/arm64", "linux/arm64/v8"], not: ["linux/arm"] },
  {
    wanted: "linux/arm/v8",
    runs: ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm"],
    not: ["linux/arm64", "linux/arm64/v8"],
  },
  {
    wanted: "linux/arm/v6",
    runs: ["linux/arm/v6", "linux/arm/v5", "linux/arm"],
    not: ["linux/arm/v7", "linux/arm/v8"],
  },
  {
    wanted: "linux/arm",
    runs: ["linux/arm", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    not: ["linux/arm/v8"],
  },
  {
    wanted: "linux/amd64/v4",
    runs: [
      "linux/amd64/v4",
      "linux/amd64/v3",
      "linux/amd64/v2",
      "linux/amd64/v1",
      "linux/amd64",
    ],
    not: ["linux/386", "windows/amd64"],
  },
  {
    wanted: "linux/amd64/v2",
    runs: ["linux/amd64/v2", "linux/amd64/v1", "linux/amd64"],
    not: ["linux/amd64/v3", "linux/386"],
  },
  { wanted: "linux/amd64", runs: ["linux/amd64", "linux/amd64/v1"], not: ["linux/amd64/v2"] },
  { wanted: "linux/386", runs: ["linux/386"], not: ["linux/amd64"] },
  { wanted: "linux/s390x", runs: ["linux/s390x"], not: ["linux/s390x/z13", "linux/ppc64le"] },
  {
    wanted: "linux/ppc64le/power9",
    runs: ["linux/ppc64le/power9", "linux/ppc64le"],
    not: ["linux/ppc64le/power8", "linux/ppc64le/power10"],
  },
])("choosePlatform() chooses the best fit for $wanted", ({ wanted, runs, not }) => {
  for (let i = 0; i < runs.length; i++) {
    const rest = runs.slice(i);
    assertEquals(choose(wanted, [...not, ...rest]), rest[0]);
    assertEquals(choose(wanted, [...rest.toReversed(), ...not]), rest[0]);
  }
  assertEquals(choose(wanted, not), undefined);
});

// Some tools write these names, which containerd accepts.
Deno.test.each([
  { os: "Linux", architecture: "AMD64", wanted: "linux/amd64" },
  { os: "linux", architecture: "x86_64", wanted: "linux/amd64" },
  { os: "linux", architecture: "aarch64", variant: "V8", wanted: "linux/arm64/v8" },
  { os: "linux", architecture: "armhf", wanted: "linux/arm/v7" },
  { os: "linux", architecture: "i386", wanted: "linux/386" },
  { os: "macOS", architecture: "arm64", wanted: "darwin/arm64" },
])("choosePlatform() finds $wanted under the name $os/$architecture", ({ wanted, ...platform }) => {
  const index = indexOf(entry("linux/s390x"), entry(undefined, { platform }));
  const document = parseManifest(bytes(index));
  assert(document.kind === "index");

  const chosen = choosePlatform(document.value, parsePlatform(wanted));

  assertEquals(chosen.platform, parsePlatform(wanted));
});

Deno.test("choosePlatform() chooses 386 for amd64 only if requested", () => {
  const index = indexOf(entry("linux/386"));
  const both = indexOf(entry("linux/386"), entry("linux/amd64"));
  const wanted = [parsePlatform("linux/amd64"), parsePlatform("linux/386")] as const;

  assertThrows(() => choosePlatform(index, wanted[0]), PlatformError);
  assertStrictEquals(choosePlatform(index, wanted), index.manifests[0]);
  assertStrictEquals(choosePlatform(both, wanted), both.manifests[1]);
});

Deno.test("choosePlatform() prefers entries whose digests can be verified", () => {
  const foreign = { ...entry("linux/arm/v7"), digest: "blake3:00" } as const;
  const index = indexOf(foreign, entry("linux/arm/v6"));

  assertStrictEquals(choosePlatform(index, parsePlatform("linux/arm/v7")), index.manifests[1]);
  assertStrictEquals(choosePlatform(indexOf(foreign), parsePlatform("linux/arm/v7")), foreign);
});

const WINDOWS = [
  "windows(10.0.17763.9000)/amd64",
  "windows(10.0.20348.1)/amd64",
  "windows(10.0.20348.2700)/amd64",
  "windows(10.0.20348.899)/amd64",
  "windows/amd64",
];
Deno.test.each([
  { wanted: "windows(10.0.20348.5)/amd64", chosen: "windows(10.0.20348.2700)/amd64" },
  { wanted: "windows(10.0.20348)/amd64", chosen: "windows(10.0.20348.2700)/amd64" },
  { wanted: "windows(10.0.17763.1)/amd64", chosen: "windows(10.0.17763.9000)/amd64" },
  { wanted: "windows(10.0.26100.1)/amd64", chosen: "windows(10.0.20348.2700)/amd64" },
  { wanted: "windows(10.0.14393)/amd64", chosen: "windows/amd64" },
  { wanted: "windows(10.0.26200.1)/amd64", chosen: "windows/amd64" },
  { wanted: "windows/amd64", chosen: "windows(10.0.20348.2700)/amd64" },
])(
  "choosePlatform() chooses the latest revision of the build for $wanted",
  ({ wanted, chosen }) => {
    assertEquals(choose(wanted, WINDOWS), chosen);
  },
);

Deno.test("choosePlatform() rejects another build of Windows", () => {
  assertEquals(choose("windows/amd64:10.0.18363", WINDOWS.slice(0, 4)), undefined);
  assertEquals(choose("windows/amd64:10.0.20349", WINDOWS.slice(0, 1)), undefined);
  assertEquals(choose("windows/amd64:6.3", WINDOWS.slice(0, 4)), undefined);
  assertEquals(choose("windows/amd64:10.0", WINDOWS), WINDOWS[2]);
});

Deno.test("choosePlatform() chooses required features of the system only if they are wanted", () => {
  const core = entry("windows(10.0.17763.1+win32k)/amd64");
  const nano = entry("windows(10.0.17763.1)/amd64");
  const both = indexOf(core, nano);

  assertStrictEquals(choosePlatform(both, parsePlatform("windows/amd64")), nano);
  assertStrictEquals(choosePlatform(both, parsePlatform("windows(+win32k)/amd64")), core);
  const error = assertThrows(
    () => choosePlatform(indexOf(core), parsePlatform("windows/amd64")),
    PlatformError,
  );
  assertStringIncludes(error.message, "it has windows(10.0.17763.1+win32k)/amd64");
});

Deno.test("choosePlatform() prefers the entry with the most features that are wanted", () => {
  const plain = entry("linux/amd64");
  const one = entry("linux(+erofs)/amd64");
  const two = entry("linux(+erofs+gpu)/amd64");
  const other = entry("linux(+simd)/amd64");
  const later = entry("windows(10.0.17763.2)/amd64");
  const core = entry("windows(10.0.17763.1+win32k)/amd64");
  const wanted = parsePlatform("linux(+erofs+gpu)/amd64");

  assertStrictEquals(choosePlatform(indexOf(plain, one, two, other), wanted), two);
  assertStrictEquals(choosePlatform(indexOf(plain, other, one), wanted), one);
  assertStrictEquals(
    choosePlatform(indexOf(later, core), parsePlatform("windows(10.0.17763+win32k)/amd64")),
    core,
  );
});

Deno.test("choosePlatform() compares versions of other systems only if one is wanted", () => {
  const [old, recent] = [entry("freebsd(13.2)/amd64"), entry("freebsd(14.1)/amd64")];
  const index = indexOf(old, recent);

  assertStrictEquals(choosePlatform(index, parsePlatform("freebsd/amd64")), old);
  assertStrictEquals(choosePlatform(index, parsePlatform("freebsd(14.1)/amd64")), recent);
  assertThrows(() => choosePlatform(index, parsePlatform("freebsd(15.0)/amd64")), PlatformError);
});

Deno.test("choosePlatform() chooses the first of equal entries", () => {
  const index = indexOf(entry("linux/amd64"), entry("linux/amd64", { digest: digest("second") }));

  assertStrictEquals(choosePlatform(index, parsePlatform("linux/amd64")), index.manifests[0]);
});

const ATTESTATION = entry("unknown/unknown", {
  annotations: { "vnd.docker.reference.type": "attestation-manifest" },
});
Deno.test.each([
  { name: "an attestation", entry: ATTESTATION },
  { name: "an unknown system", entry: entry("unknown/unknown") },
  {
    name: "an attestation that names a platform",
    entry: entry("linux/amd64", { annotations: ATTESTATION.annotations ?? {} }),
  },
  { name: "an unknown media type", entry: entry("linux/amd64", { mediaType: "text/plain" }) },
])("choosePlatform() never chooses $name", ({ entry }) => {
  assertEquals(isRunnable(entry), false);
  for (const wanted of ["linux/amd64", "unknown/unknown"]) {
    const error = assertThrows(
      () => choosePlatform(indexOf(entry), parsePlatform(wanted), "a/b:1"),
      PlatformError,
      `Cannot find ${wanted} in "a/b:1": it has none that can run`,
    );
    assertEquals(error.available, []);
  }
});

Deno.test("choosePlatform() chooses an entry without a platform if it is the only image", () => {
  const index = indexOf(ATTESTATION, entry());

  assertStrictEquals(choosePlatform(index, parsePlatform("linux/arm64")), index.manifests[1]);
});

Deno.test("choosePlatform() does not guess between entries without a platform", () => {
  const index = indexOf(entry(), entry(undefined, { digest: digest("second") }));

  assertThrows(() => choosePlatform(index, parsePlatform("linux/arm64")), PlatformError);
});

Deno.test("choosePlatform() lists the available platforms once each", () => {
  const index = indexOf(entry("linux/amd64"), entry("linux/amd64"), entry("linux/arm/v7"));

  assertThrows(
    () => choosePlatform(index, parsePlatform("linux/riscv64")),
    PlatformError,
    'in the image: it has linux/amd64, linux/arm/v7. Choose one with "platform"',
  );
});

Deno.test("platformFit() rates the same platform best", () => {
  const platform = fc.constantFrom(
    ...["linux/arm64/v8", "linux/arm/v6", "linux/amd64/v3", "linux/arm64", "linux/arm", "linux/x"]
      .map(parsePlatform),
  );
  fc.assert(fc.property(platform, platform, (offered, wanted) => {
    const fit = platformFit(offered, wanted);

    assertEquals(
      fit >= platformFit(wanted, wanted),
      formatPlatform(offered) ===
        formatPlatform(wanted),
    );
  }));
});

Deno.test("choosePlatform() skips entries that require features of the system", () => {
  const wanted = parsePlatform("linux/amd64");
  const features = { ...wanted, "os.features": ["erofs"] };
  const erofs = entry("linux/amd64", { platform: features, digest: digest("erofs") });
  const plain = entry("linux/amd64");

  assertEquals(choosePlatform(indexOf(erofs, plain), wanted), plain);
  assertEquals(choosePlatform(indexOf(erofs, plain), features), erofs);
});

Deno.test("choosePlatform() falls back to the only entry without a platform", () => {
  const unknown = entry();

  const chosen = choosePlatform(
    indexOf(entry("linux/s390x"), unknown),
    parsePlatform("linux/amd64"),
  );

  assertEquals(chosen, unknown);
});
