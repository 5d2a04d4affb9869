import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatPlatform, parsePlatform, variantLevel } from "../../spec/mod.ts";

Deno.test.each([
  { text: "linux/amd64", os: "linux", architecture: "amd64" },
  { text: "Linux/AMD64", os: "linux", architecture: "amd64" },
  { text: "linux/x86_64", os: "linux", architecture: "amd64" },
  { text: "macOS/aarch64", os: "darwin", architecture: "arm64" },
  { text: "linux/x86-64", os: "linux", architecture: "amd64" },
  { text: "linux/aarch64", os: "linux", architecture: "arm64" },
  { text: "linux/i686", os: "linux", architecture: "386" },
  { text: "linux/armhf", os: "linux", architecture: "arm", variant: "v7" },
  { text: "linux/armel", os: "linux", architecture: "arm", variant: "v6" },
  { text: "linux/arm/V6", os: "linux", architecture: "arm", variant: "v6" },
  { text: "linux/arm64/v8.2", os: "linux", architecture: "arm64", variant: "v8.2" },
  { text: "arm64", os: "linux", architecture: "arm64" },
  { text: "AArch64", os: "linux", architecture: "arm64" },
  { text: "armhf", os: "linux", architecture: "arm", variant: "v7" },
  { text: "386", os: "linux", architecture: "386" },
  { text: "arm/v7", os: "linux", architecture: "arm", variant: "v7" },
  { text: "x86_64/v3", os: "linux", architecture: "amd64", variant: "v3" },
  { text: "linux/constructor", os: "linux", architecture: "constructor" },
])("parsePlatform() reads $text", ({ text, ...platform }) => {
  assertEquals(parsePlatform(text), platform);
});

Deno.test("parsePlatform() reads the version and features of Windows", () => {
  const platform = { os: "windows", architecture: "amd64", "os.version": "10.0.20348.1" };

  assertEquals(parsePlatform("windows/amd64:10.0.20348.1"), platform);
  assertEquals(parsePlatform("Windows(10.0.20348.1)/x86_64"), platform);
  assertEquals(parsePlatform("windows(10.0.20348.1+win32k+x)/amd64"), {
    ...platform,
    "os.features": ["win32k", "x"],
  });
  assertEquals(parsePlatform("windows(+win32k)/amd64"), {
    os: "windows",
    architecture: "amd64",
    "os.features": ["win32k"],
  });
});

Deno.test.each([
  { text: "windows(10.0.17763%2Bbuild.42+win32k)/amd64", version: "10.0.17763+build.42" },
  { text: "windows(50%25done+win32k)/amd64", version: "50%done" },
  { text: "windows(1.0%28beta%29+win32k)/amd64", version: "1.0(beta)" },
  { text: "windows(a%2Fb+win32k)/amd64", version: "a/b" },
])("parsePlatform() and formatPlatform() encode a version, like containerd: $text", (row) => {
  const platform = {
    os: "windows",
    architecture: "amd64",
    "os.version": row.version,
    "os.features": ["win32k"],
  };

  assertEquals(formatPlatform(platform), row.text);
  assertEquals(parsePlatform(row.text), platform);
});

Deno.test("parsePlatform() and formatPlatform() encode features, and skip empty ones", () => {
  const platform = { os: "linux", architecture: "amd64", "os.features": ["feat+v2", "", "100%"] };

  assertEquals(formatPlatform(platform), "linux(+feat%2Bv2+100%25)/amd64");
  assertEquals(parsePlatform(formatPlatform(platform))["os.features"], ["feat+v2", "100%"]);
});

Deno.test.each([
  "",
  "linux",
  "constructor",
  "arm/",
  "amd64:1",
  "linux/",
  "/amd64",
  "linux/amd64/",
  "linux//v8",
  "linux/amd64/v1/x",
  "linux/amd64:",
  "linux/amd64:1:2",
  "windows(1/amd64",
  "windows(1)amd64",
  "windows(1+)/amd64",
  "windows(1)/amd64:1",
  "windows(1%)/amd64",
  "windows(+%ff)/amd64",
  "linux/am d64",
  "linux/amd64\n",
  "linux/../x",
  "linux\\amd64",
])("parsePlatform() refuses %j", (text) => {
  assertThrows(() => parsePlatform(text), SyntaxError, `Cannot parse platform "${text}"`);
});

Deno.test("formatPlatform() writes what parsePlatform() reads", () => {
  const word = fc.stringMatching(/^[a-z0-9_-]{1,8}$/);
  const version = fc.stringMatching(/^[a-z0-9_.-]{1,8}$/);
  const features = fc.array(version, { maxLength: 2 });
  const text = fc.tuple(word, word, fc.option(version), fc.option(version), features)
    .map(([os, arch, variant, osVersion, features]) =>
      `${os}(${[osVersion ?? "", ...features].join("+")})/${arch}` +
      (variant === null ? "" : `/${variant}`)
    );
  fc.assert(fc.property(text, (text) => {
    const platform = parsePlatform(text);

    assertEquals(parsePlatform(formatPlatform(platform)), platform);
  }));
});

Deno.test.each([
  { text: "linux/arm/v7", level: 7 },
  { text: "linux/arm/7", level: 7 },
  { text: "linux/arm", level: 7 },
  { text: "linux/arm64", level: 8 },
  { text: "linux/arm64/unknown", level: 8 },
  { text: "linux/arm64/v8.2", level: 8.02 },
  { text: "linux/arm64/v8.12", level: 8.12 },
  { text: "linux/amd64", level: 1 },
  { text: "linux/amd64/v3", level: 3 },
  { text: "linux/s390x", level: 0 },
  { text: "linux/ppc64le/power9", level: 0 },
  { text: "linux/constructor", level: 0 },
  { text: "linux/arm/v999", level: 0 },
])("variantLevel() of $text is $level", ({ text, level }) => {
  assertEquals(variantLevel(parsePlatform(text)), level);
});
