import { assertEquals, assertThrows } from "@std/assert";
import { type ImageLocation, parseImageLocation, parseReference } from "../../registry/mod.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as const;

Deno.test.each<{ text: string; location: ImageLocation }>([
  { text: "alpine", location: { transport: "docker", reference: parseReference("alpine") } },
  { text: "docker://oci:1", location: { transport: "docker", reference: parseReference("oci:1") } },
  { text: "oci:out", location: { transport: "oci", path: "out" } },
  { text: "oci:/a/b:v1", location: { transport: "oci", path: "/a/b", name: "v1" } },
  {
    text: "oci:out:ghcr.io/a/b:v1",
    location: { transport: "oci", path: "out", name: "ghcr.io/a/b:v1" },
  },
  { text: `oci:out@${DIGEST}`, location: { transport: "oci", path: "out", digest: DIGEST } },
  {
    text: `oci:out:v1@${DIGEST}`,
    location: { transport: "oci", path: "out", name: "v1", digest: DIGEST },
  },
  { text: "oci:C:\\out:v1", location: { transport: "oci", path: "C:\\out", name: "v1" } },
  {
    text: "oci:\\\\?\\C:\\out:v1",
    location: { transport: "oci", path: "\\\\?\\C:\\out", name: "v1" },
  },
  { text: "oci:out:a--b+c", location: { transport: "oci", path: "out", name: "a--b+c" } },
  { text: "oci:out:a__b:1-", location: { transport: "oci", path: "out", name: "a__b:1-" } },
  { text: "oci:out:_a", location: { transport: "oci", path: "out", name: "_a" } },
  { text: "oci:out:@0", location: { transport: "oci", path: "out", name: "@0" } },
  { text: "oci:a@b/c", location: { transport: "oci", path: "a@b/c" } },
  { text: "oci-archive:a.tar", location: { transport: "oci-archive", path: "a.tar" } },
  {
    text: "docker-archive:a.tar:alpine:3",
    location: { transport: "docker-archive", path: "a.tar", name: "alpine:3" },
  },
])("parseImageLocation() reads $text", ({ text, location }) => {
  assertEquals(parseImageLocation(text), location);
});

Deno.test.each([
  { text: "oci:", says: 'Write "oci:DIR"' },
  { text: "oci::v1", says: 'Write "oci:DIR"' },
  { text: "oci:out:", says: 'Write "oci:DIR"' },
  { text: "oci://out", says: "not a URL" },
  { text: "oci:out@sha256:12", says: "not a digest" },
  { text: "oci:out:invalid'image!value@", says: "not a valid image name" },
  { text: "oci:out:a b", says: "not a valid image name" },
  { text: "oci:out:../a", says: "not a valid image name" },
  { text: "oci:out:a\n", says: "not a valid image name" },
  { text: "oci:out:@01", says: "not a valid image name" },
  { text: "oci:out:@-1", says: "not a valid image name" },
  { text: "oci-archive:a.tar:a?", says: "not a valid image name" },
  { text: "docker-archive:a.tar:a/", says: "not a valid image name" },
  { text: "oci-archive:", says: 'Write "oci-archive:FILE"' },
  { text: "docker-daemon:alpine", says: '"docker-daemon:" is not supported' },
  { text: "containers-storage:alpine", says: "docker://containers-storage:alpine" },
  { text: "Alpine", says: "must be lower case" },
])("parseImageLocation() refuses $text, and says what to write instead", ({ text, says }) => {
  assertThrows(() => parseImageLocation(text), SyntaxError, says);
});
