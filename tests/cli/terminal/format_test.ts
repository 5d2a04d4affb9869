import { assertEquals } from "@std/assert";
import {
  formatBytes,
  formatDuration,
  formatTable,
  hidePasswords,
  printable,
  printableText,
  shortDigest,
} from "../../../cli/terminal/format.ts";

Deno.test.each([
  { bytes: 0, text: "0 B" },
  { bytes: 999, text: "999 B" },
  { bytes: 1000, text: "1.0 kB" },
  { bytes: 9949, text: "9.9 kB" },
  { bytes: 9950, text: "10 kB" },
  { bytes: 999_499, text: "999 kB" },
  { bytes: 999_500, text: "1.0 MB" },
  { bytes: 3_456_789, text: "3.5 MB" },
  { bytes: 12_000_000_000, text: "12 GB" },
])("formatBytes() writes $bytes as $text", ({ bytes, text }) => {
  assertEquals(formatBytes(bytes), text);
});

Deno.test.each([
  { ms: 0, text: "0 ms" },
  { ms: 999, text: "999 ms" },
  { ms: 1000, text: "1.0 s" },
  { ms: 59_940, text: "59.9 s" },
  { ms: 59_990, text: "1 min 0 s" },
  { ms: 125_000, text: "2 min 5 s" },
  { ms: 3_780_000, text: "1 h 3 min" },
])("formatDuration() writes $ms as $text", ({ ms, text }) => {
  assertEquals(formatDuration(ms), text);
});

Deno.test("printable() escapes everything that controls a terminal", () => {
  const hostile = "a\x1b[2Jb\rc\u009bd\u202ee\x00f\x7fgé";

  assertEquals(
    printable(hostile),
    "a\\u{1b}[2Jb\\u{d}c\\u{9b}d\\u{202e}e\\u{0}f\\u{7f}gé",
  );
});

Deno.test("printableText() keeps tabs and line ends", () => {
  assertEquals(printableText("\ta\x1b[2J\r\n\n\u202e"), "\ta\\u{1b}[2J\\u{d}\n\n\\u{202e}");
});

Deno.test("formatTable() escapes control characters, and aligns what is shown", () => {
  assertEquals(formatTable([["a\nb", "c"], ["a", "\x1b"]]), ["a\\u{a}b  c", "a        \\u{1b}"]);
});

Deno.test("printable() shows which bytes of a name are not UTF-8", () => {
  assertEquals(printable("\udce4\udcf6\u{1f600}\ufffd"), "\\u{dce4}\\u{dcf6}\u{1f600}\ufffd");
});

Deno.test("shortDigest() keeps the algorithm and twelve digits", () => {
  assertEquals(shortDigest(`sha512:${"0123456789abcdef".repeat(8)}`), "sha512:0123456789ab");
});

Deno.test("formatTable() aligns columns and leaves no trailing spaces", () => {
  const lines = formatTable([["NAME", "SIZE", "X"], ["a", "12 B", ""], ["long", "1 B", "y"]], [1]);

  assertEquals(lines, ["NAME  SIZE  X", "a     12 B", "long   1 B  y"]);
});

Deno.test.each([
  { text: 'pull "me:s3cret@h.io/a:1"', shown: 'pull "me:***@h.io/a:1"' },
  { text: "login me:s3cret@h.io:5000", shown: "login me:***@h.io:5000" },
  { text: "login https://me:s3cret@h.io", shown: "login https://me:***@h.io" },
  { text: "h.io=http://me@h.io:s3:cr@et@[::1]:5000", shown: "h.io=http://me@h.io:***@[::1]:5000" },
  { text: "a:s3cret@b, c:s3cret@d", shown: "a:***@b, c:***@d" },
  { text: "me:s3cret@shared:5000/a", shown: "me:***@shared:5000/a" },
  { text: "oci:dir:me:s3cret@h.io/a", shown: "oci:dir:***@h.io/a" },
  { text: 'read "oci:dir:@x" oci:a@b', shown: 'read "oci:dir:@x" oci:a@b' },
  {
    text: "docker-archive:a@b.tar oci-archive:a@b.tar:c",
    shown: "docker-archive:a@b.tar oci-archive:a@b.tar:c",
  },
  { text: "docker-archive:a.tar:me:s3@h.io/a", shown: "docker-archive:a.tar:***@h.io/a" },
  {
    text: "http://oci:s3@h.io/a oci:me:s3@[::1]/a",
    shown: "http://oci:***@h.io/a oci:me:***@[::1]/a",
  },

  { text: 'pull "me:s3/cr/et==@h.io/a:1"', shown: 'pull "me:***@h.io/a:1"' },
  { text: "login me:s3/cret@shared", shown: "login me:***@shared" },
  { text: "h.io=https://me:s3//cr@et@h.io/", shown: "h.io=https://me:***@h.io/" },
  { text: "h:5000/a@b npm:@a/b https://h.io/@a/b", shown: "h:5000/a@b npm:@a/b https://h.io/@a/b" },
  { text: "oci:a/me@h.io/b oci:/a@b", shown: "oci:a/me@h.io/b oci:/a@b" },
  { text: "oci-archive:a/me@h.io/b", shown: "oci-archive:a/me@h.io/b" },
  { text: `a:1@sha256:${"0".repeat(64)}`, shown: `a:1@sha256:${"0".repeat(64)}` },
  { text: "h:5000/a:1@sha512:0 a:1", shown: "h:5000/a:1@sha512:0 a:1" },
  { text: "NAME:TAG@DIGEST h:5000/a:1@b", shown: "NAME:TAG@DIGEST h:5000/a:1@b" },
  { text: 'read "oci:two:@3", or', shown: 'read "oci:two:@3", or' },
  { text: "http://[::1]:5000/a@b", shown: "http://[::1]:5000/a@b" },
  { text: "pull https://s3cret@h.io/a:1", shown: "pull https://***@h.io/a:1" },
  { text: "HTTPS://s3@cret@h.io/a", shown: "HTTPS://***@h.io/a" },
  { text: "docker://a@sha256:0", shown: "docker://a@sha256:0" },
  { text: "push oci:dir:@3: not", shown: "push oci:dir:@3: not" },
  { text: "user:pass:@3:80/a", shown: "user:***@3:80/a" },
  { text: "user:pass:@3.io/a", shown: "user:***@3.io/a" },
])("hidePasswords() writes $text as $shown", ({ text, shown }) => {
  assertEquals(hidePasswords(text), shown);
});

Deno.test("hidePasswords() ends soon for a long text", () => {
  for (const part of [":a", ":", ":@", "a", "=", "(a:", "a:b/", "=a:b/"]) {
    const text = part.repeat(1_000_000);

    assertEquals(hidePasswords(text), text);
  }
});
