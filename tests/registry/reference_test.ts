import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from "../../registry/mod.ts";

const SHA256 = `sha256:${"0123456789abcdef".repeat(4)}` as const;
const SHA512 = `sha512:${"0123456789abcdef".repeat(8)}` as const;

Deno.test.each([
  { text: "alpine", full: "docker.io/library/alpine:latest", short: "alpine:latest" },
  { text: "alpine:3.20", full: "docker.io/library/alpine:3.20", short: "alpine:3.20" },
  { text: "docker://alpine", full: "docker.io/library/alpine:latest", short: "alpine:latest" },
  { text: "a/b", full: "docker.io/a/b:latest", short: "a/b:latest" },
  { text: "docker.io/alpine", full: "docker.io/library/alpine:latest", short: "alpine:latest" },
  { text: "index.docker.io/a/b", full: "docker.io/a/b:latest", short: "a/b:latest" },
  { text: "library/alpine", full: "docker.io/library/alpine:latest", short: "alpine:latest" },
  {
    text: "docker.io/library/a/b",
    full: "docker.io/library/a/b:latest",
    short: "library/a/b:latest",
  },
  { text: "localhost/a", full: "localhost/a:latest", short: "localhost/a:latest" },
  { text: "localhost:5000", full: "docker.io/library/localhost:5000", short: "localhost:5000" },
  { text: "localhost:5000/a:b", full: "localhost:5000/a:b", short: "localhost:5000/a:b" },
  { text: "[::1]:5000/x", full: "[::1]:5000/x:latest", short: "[::1]:5000/x:latest" },
  { text: "[fd00::1]/x:1", full: "[fd00::1]/x:1", short: "[fd00::1]/x:1" },
  { text: "127.0.0.1:1/x__y", full: "127.0.0.1:1/x__y:latest", short: "127.0.0.1:1/x__y:latest" },
  { text: "FOO/bar", full: "FOO/bar:latest", short: "FOO/bar:latest" },
  { text: "xn--n3h.com/a", full: "xn--n3h.com/a:latest", short: "xn--n3h.com/a:latest" },
  { text: "a---b.c_d", full: "docker.io/library/a---b.c_d:latest", short: "a---b.c_d:latest" },
  { text: `a@${SHA256}`, full: `docker.io/library/a@${SHA256}`, short: `a@${SHA256}` },
  { text: `a:t@${SHA256}`, full: `docker.io/library/a:t@${SHA256}`, short: `a:t@${SHA256}` },
  { text: `h.io/a@${SHA512}`, full: `h.io/a@${SHA512}`, short: `h.io/a@${SHA512}` },
  { text: "docker.io/a.b/c", full: "docker.io/a.b/c:latest", short: "docker.io/a.b/c:latest" },
  {
    text: "docker.io/localhost/c",
    full: "docker.io/localhost/c:latest",
    short: "docker.io/localhost/c:latest",
  },
  {
    text: `${"a".repeat(64)}:1`,
    full: `docker.io/library/${"a".repeat(64)}:1`,
    short: `${"a".repeat(64)}:1`,
  },
])("parseReference() reads $text", ({ text, full, short }) => {
  const reference = parseReference(text);

  assertEquals(formatReference(reference), full);
  assertEquals(familiarReference(reference), short);
  assertEquals(parseReference(full), reference);
  assertEquals(parseReference(short), reference);
});

Deno.test.each<{ text: string; says: string }>([
  { text: "", says: "empty" },
  { text: "docker://", says: "empty" },
  { text: "https://ghcr.io/a", says: 'must not be a URL. Write it without "https://"' },
  { text: "http://127.0.0.1:1/a", says: 'must not be a URL. Write it without "http://"' },
  { text: "Alpine", says: "must be lower case" },
  { text: "Alpine:3", says: "must be lower case" },
  { text: "docker.io/a/B", says: "must be lower case" },
  { text: "a".repeat(64), says: "an image ID" },
  { text: "a:", says: "the tag" },
  { text: "a:-x", says: "the tag" },
  { text: `a:${"x".repeat(129)}`, says: "the tag" },
  { text: "a:b:c", says: "the tag" },
  { text: "a@", says: "the digest" },
  { text: "a@sha256:abc", says: "the digest" },
  { text: `a@${SHA256.toUpperCase()}`, says: "the digest" },
  { text: `a@md5:${"0".repeat(32)}`, says: "the digest" },
  { text: "a//b", says: "the repository" },
  { text: "/a", says: "the repository" },
  { text: "a/", says: "the repository" },
  { text: "a_-b", says: "the repository" },
  { text: "a___b", says: "the repository" },
  { text: "-a", says: "the repository" },
  { text: " a", says: "the repository" },
  { text: "a\n", says: "the repository" },
  { text: "ä", says: "the repository" },
  { text: "a:t\n", says: "the tag" },
  { text: "-h.io/a", says: "the host" },
  { text: "[::g]/a", says: "the host" },
  { text: "[1::2::3]:5000/a", says: "the host" },
  { text: "10.0.0.256:5000/a", says: "the host" },
  { text: "1.2.3.4.5/a", says: "the host" },
  { text: "h:x/a", says: "the host" },
  { text: "h:65536/a", says: "the port" },
  { text: `h.io/${"a".repeat(256)}`, says: "255 characters: it has 256" },
  { text: "a".repeat(248), says: "255 characters: it has 256" },
])("parseReference() refuses $text", ({ text, says }) => {
  assertThrows(() => parseReference(text), SyntaxError, says);
});

Deno.test.each([
  { text: "me:s3cret@h.io/a:1" },
  { text: "docker://me:s3cret@h.io/a" },
  { text: "https://me:s3cret@h.io/a" },
  { text: "HTTPS://me:s3cret@h.io/a" },
  { text: "me:@s3cret@h.io/a" },
  { text: "me@mail.example:s3cret@h.io/a" },
  { text: "me:s3cret/and/more==@h.io:5000/a" },
  { text: "https://me:12345678/s3cret@h.io/a" },
])("parseReference() does not quote the password in $text", ({ text }) => {
  const error = assertThrows(() => parseReference(text), SyntaxError, ":***@h.io");

  assertEquals(error.message.includes("s3cret"), false);
});

Deno.test("parseReference() ends soon for a long text", () => {
  assertThrows(() => parseReference(`a:${"@".repeat(1_000_000)}`), SyntaxError, "the digest");
});

Deno.test("parseReference() accepts a path of 255 characters and a tag of 128", () => {
  const name = `registry-with-a-long-name.example.com:5000/${"a/".repeat(127)}a`;
  const tag = "t".repeat(128);

  assertEquals(formatReference(parseReference(`${name}:${tag}`)), `${name}:${tag}`);
});

const part = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,4})?$/);
const host = fc.oneof(
  fc.constant("docker.io"),
  fc.constant("localhost"),
  fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z]{2,3}(:[1-9][0-9]{0,3})?$/),
  fc.constant("[::1]:5000"),
);
const references: fc.Arbitrary<Reference> = fc.record({
  registry: host,
  path: fc.array(part, { minLength: 1, maxLength: 4 }),
  tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
  version: fc.constantFrom("tag", "digest", "both"),
}).map(({ registry, path, tag, version }) => ({
  registry,
  repository: (registry === "docker.io" && path.length === 1 ? ["library", ...path] : path).join(
    "/",
  ),
  ...{ tag: { tag }, digest: { digest: SHA256 }, both: { tag, digest: SHA256 } }[version],
}));

Deno.test("parseReference() reads what formatReference() and familiarReference() write", () => {
  fc.assert(fc.property(references, (reference) => {
    assertEquals(parseReference(formatReference(reference)), reference);
    assertEquals(parseReference(familiarReference(reference)), reference);
  }));
});

Deno.test("parseReference() parses any text or throws a SyntaxError", () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."aA0.:/@-_[] ") }));
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const reference = parseReference(text);
        assertEquals(parseReference(formatReference(reference)), reference);
      } catch (error) {
        assertEquals(error instanceof SyntaxError, true);
      }
    }),
    { numRuns: 1000 },
  );
});
