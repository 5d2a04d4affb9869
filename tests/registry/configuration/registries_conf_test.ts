import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BlockedRegistryError,
  mergeRegistriesConf,
  parseReference,
  parseRegistriesConf,
  pullSources,
  RegistriesConfError,
  resolveAlias,
} from "../../../registry/mod.ts";

/** The places of an image, as `registry/repository`. */
function places(conf: string, name: string): readonly string[] {
  return pullSources(parseRegistriesConf(conf), parseReference(name))
    .map(({ registry, repository }) => `${registry}/${repository}`);
}

/** The example of containers-registries.conf(5). */
const EXAMPLE = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
`;

const USES = `
[[registry]]
location = "a.io"
[[registry.mirror]]
location = "all.io"
pull-from-mirror = "all"
[[registry.mirror]]
location = "digest.io"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tag.io"
pull-from-mirror = "tag-only"
`;

const DIGEST = `sha256:${"a".repeat(64)}`;

/** Writes a rule that replaces a prefix. */
function rule(prefix: string, location: string): string {
  return `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n`;
}

Deno.test.each([
  {
    why: "mirrors in order, then the location",
    conf: EXAMPLE,
    name: "example.com/foo/image:latest",
    at: [
      "example-mirror-0.local/mirror-for-foo/image",
      "example-mirror-1.local/mirrors/foo/image",
      "internal-registry-for-example.com/bar/image",
    ],
  },
  {
    why: "only the mirrors in its table",
    conf: EXAMPLE,
    name: "registry.com/image:latest",
    at: ["mirror.registry.com/image", "registry.com/image"],
  },
  {
    why: "the name itself without a table",
    conf: EXAMPLE,
    name: "example.com/foobar/image",
    at: ["example.com/foobar/image"],
  },
  {
    why: "the table with the longest prefix",
    conf: rule("a.io", "x.io") + rule("a.io/b/c", "z.io/d") + rule("a.io/b", "y.io"),
    name: "a.io/b/c/d",
    at: ["z.io/d/d"],
  },
  { why: "a repository", conf: rule("a.io/b", "c.io/d/e"), name: "a.io/b", at: ["c.io/d/e"] },
  { why: "a host", conf: rule("a.io", "c.io/d"), name: "a.io/b/e", at: ["c.io/d/b/e"] },
  { why: "a namespace by a host", conf: rule("a.io/b", "c.io"), name: "a.io/b/e", at: ["c.io/e"] },
  {
    why: "the prefix without a location",
    conf: '[[registry]]\nprefix = "a.io/b"',
    name: "a.io/b",
    at: ["a.io/b"],
  },
  { why: "ports", conf: rule("a.io:1", "c.io:2"), name: "a.io:1/b", at: ["c.io:2/b"] },
  { why: "no other port", conf: rule("a.io", "c.io"), name: "a.io:1/b", at: ["a.io:1/b"] },
  { why: "slashes at ends", conf: rule("a.io/b/", "c.io/"), name: "a.io/b/e", at: ["c.io/e"] },
  {
    why: "the implied namespace of Docker Hub",
    conf: rule("docker.io/library", "c.io/hub"),
    name: "alpine",
    at: ["c.io/hub/alpine"],
  },
  {
    why: "no implied namespace in a prefix",
    conf: rule("docker.io/alpine", "c.io/hub"),
    name: "alpine",
    at: ["docker.io/library/alpine"],
  },
  { why: "a tag", conf: rule("a.io/b:1", "c.io/d:1"), name: "a.io/b:1", at: ["c.io/d"] },
  { why: "no other tag", conf: rule("a.io/b:1", "c.io/d:1"), name: "a.io/b:11", at: ["a.io/b"] },
  {
    why: "a digest",
    conf: rule(`a.io/b@${DIGEST}`, `c.io/d@${DIGEST}`),
    name: `a.io/b:1@${DIGEST}`,
    at: ["c.io/d"],
  },
  {
    why: "all subdomains by another host",
    conf: rule("*.a.io", "c.io/d"),
    name: "x.y.a.io/b",
    at: ["c.io/d/b"],
  },
  { why: "not the domain itself", conf: rule("*.a.io", "c.io"), name: "a.io/b", at: ["a.io/b"] },
  {
    why: "subdomains without a location",
    conf: '[[registry]]\nprefix = "*.a.io"\n[[registry.mirror]]\nlocation = "m.io/x"',
    name: "y.a.io/b",
    at: ["m.io/x/b", "y.a.io/b"],
  },
  {
    why: "the longest prefix before a wildcard",
    conf: rule("*.a.io", "c.io") + rule("x.a.io/b", "d.io"),
    name: "x.a.io/b/c",
    at: ["d.io/c"],
  },
  {
    why: "a host before a wildcard of the same length",
    conf: rule("*.a.io", "c.io") + rule("x.a.io", "d.io"),
    name: "x.a.io/b",
    at: ["d.io/b"],
  },
  { why: "mirrors for tags", conf: USES, name: "a.io/b:1", at: ["all.io/b", "tag.io/b", "a.io/b"] },
  {
    why: "mirrors for digests",
    conf: USES,
    name: `a.io/b@${DIGEST}`,
    at: ["all.io/b", "digest.io/b", "a.io/b"],
  },
  {
    why: "no mirror for tags with mirror-by-digest-only",
    conf: `${EXAMPLE}[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n` +
      'mirror = [{ location = "m.io" }]',
    name: "a.io/b:1",
    at: ["a.io/b"],
  },
  {
    why: "a mirror for digests with mirror-by-digest-only",
    conf: '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n' +
      'mirror = [{ location = "m.io" }]',
    name: `a.io/b:1@${DIGEST}`,
    at: ["m.io/b", "a.io/b"],
  },
  {
    why: "the first of two equal prefixes",
    conf: rule("a.io", "x.io") + rule("a.io", "y.io"),
    name: "a.io/b",
    at: ["x.io/b"],
  },
])("pullSources() finds $why", ({ conf, name, at }) => {
  assertEquals(places(conf, name), at);
});

Deno.test("pullSources() returns mirrors and insecure locations", () => {
  const conf = parseRegistriesConf(EXAMPLE);
  const sources = pullSources(conf, parseReference("example.com/foo/image"));

  assertEquals(sources.map(({ isMirror }) => isMirror), [true, true, false]);
  assertEquals(sources.map(({ isInsecure }) => isInsecure), [false, true, false]);
});

Deno.test("pullSources() refuses a location without a name for the repository", () => {
  const conf = parseRegistriesConf(rule("a.io/b", "x.io"));

  assertThrows(
    () => pullSources(conf, parseReference("a.io/b:1")),
    RegistriesConfError,
    'the location "x.io" of "a.io/b" leaves no name for the repository',
  );
  assertEquals(pullSources(conf, parseReference("a.io/b/c:1"))[0]?.repository, "c");
});

Deno.test("pullSources() refuses blocked images", () => {
  const conf = parseRegistriesConf(
    '[[registry]]\nlocation = "a.io/bad"\nblocked = true',
    { file: "/etc/r.conf" },
  );

  const error = assertThrows(
    () => pullSources(conf, parseReference("a.io/bad/x:1")),
    BlockedRegistryError,
    'Cannot access "a.io/bad/x:1": /etc/r.conf blocks a.io/bad. ',
  );
  assertEquals([error.code, error.subject], ["blocked", "a.io/bad/x:1"]);
  assertEquals(pullSources(conf, parseReference("a.io/good")).length, 1);
});

Deno.test("parseRegistriesConf() reads the old format", () => {
  const conf = parseRegistriesConf(`
    [registries.search]
    registries = ['registry1.com', 'registry2.com']
    [registries.insecure]
    registries = ['registry3.com']
    [registries.block]
    registries = ['registry.untrusted.com', "registry3.com"]
  `);

  assertEquals(
    conf.rules.map(({ prefix, isInsecure, isBlocked }) => [prefix, isInsecure, isBlocked]),
    [["registry3.com", true, true], ["registry.untrusted.com", false, true]],
  );
});

Deno.test.each<{ text: string; line: number; problem: string }>([
  { text: "[[registry]]", line: 1, problem: "no prefix or location" },
  { text: '[registry]\nlocation = "a.io"', line: 1, problem: "[[registry]]" },
  { text: 'registry = ["a.io"]', line: 1, problem: "[[registry]]" },
  { text: '[[registry]]\nlocation = "https://a.io"', line: 2, problem: "must not be a URL" },
  {
    text: '[[registry]]\nlocation = "https://u:s3cret@a.io"',
    line: 2,
    problem: '"https://***@a.io" must not be a URL',
  },
  {
    text: '[[registry]]\nlocation = "a..io"',
    line: 2,
    problem: '"a..io" must begin with the host',
  },
  {
    text: '[[registry]]\nlocation = "u:s3cret@a.io/b"',
    line: 2,
    problem: '"***@a.io/b" must begin with the host',
  },
  {
    text: '[[registry]]\nlocation = "HTTPS://u:s3/cret@a.io"',
    line: 2,
    problem: '"HTTPS://***@a.io" must',
  },
  { text: '[[registry]]\nlocation = "a io"', line: 2, problem: "the host of a registry" },
  { text: '[[registry]]\nlocation = "a.io:99999"', line: 2, problem: "the host of a registry" },
  { text: '[[registry]]\nlocation = "a.io/B"', line: 2, problem: "the name of a repository" },
  { text: "[[registry]]\nlocation = true", line: 2, problem: '"location" must be a string' },
  { text: '[[registry]]\nprefix = "*.a.io/b"', line: 2, problem: 'form "*.example.com"' },
  { text: '[[registry]]\nprefix = "a.*.io"', line: 2, problem: "the host of a registry" },
  { text: '[[registry]]\nlocation = "*.a.io"', line: 2, problem: "the host of a registry" },
  {
    text: '[[registry]]\nlocation = "a.io"\nblocked = "yes"',
    line: 3,
    problem: '"blocked" must be true or false',
  },
  {
    text: '[[registry]]\nlocation = "a.io"\npull-from-mirror = "all"',
    line: 1,
    problem: "belongs to a mirror",
  },
  {
    text: '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true',
    line: 3,
    problem: "the mirror has no location",
  },
  {
    text: '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\n' +
      'pull-from-mirror = "never"',
    line: 5,
    problem: '"digest-only" or "tag-only"',
  },
  {
    text: '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\n' +
      'location = "m.io"\npull-from-mirror = "all"',
    line: 6,
    problem: "exclude each other",
  },
  {
    text: `${rule("a.io/b", "c.io")}insecure = true\n${rule("a.io/d", "c.io")}`,
    line: 5,
    problem: 'another value of "insecure"',
  },
  { text: rule("a.io/b:1", "c.io/b"), line: 1, problem: 'must have ":1"' },
  { text: rule("a.io/b", "c.io/b:1"), line: 1, problem: "must have no tag or digest" },
  { text: '[aliases]\n"a.io/b" = "c.io/d"', line: 2, problem: "without a registry" },
  { text: '[aliases]\n"a:1" = "c.io/d"', line: 2, problem: "without a registry" },
  { text: '[aliases]\na = "b/c"', line: 2, problem: "a name with a registry" },
  { text: '[aliases]\na = "b.io/c:1"', line: 2, problem: "without a tag" },
  { text: "[aliases]\na = true", line: 2, problem: '"a" must be a string' },
  { text: "aliases = []", line: 1, problem: '"aliases" must be a table' },
  {
    text: '[[registry]]\nlocation = "a.io"\n[registries.block]\nregistries = []',
    line: 3,
    problem: "mixes the old format",
  },
  { text: "\n[[registry]\n", line: 2, problem: '"]]" is expected' },
])("parseRegistriesConf() refuses $text", ({ text, line, problem }) => {
  const error = assertThrows(
    () => parseRegistriesConf(text, { file: "/r.conf" }),
    RegistriesConfError,
    problem,
  );

  assert(error.message.startsWith(`Cannot use "/r.conf": line ${line}: `), error.message);
  assertEquals([error.path, error.line, error.code], ["/r.conf", line, "registries-conf"]);
});

Deno.test("parseRegistriesConf() accepts a prefix that is longer than any repository", () => {
  const prefix = `example.com/${"a/".repeat(130)}b`;

  const { rules } = parseRegistriesConf(`[[registry]]\nprefix = "${prefix}"`);

  assertEquals(rules.map(({ prefix }) => prefix), [prefix]);
});

Deno.test("parseRegistriesConf() refuses the old format in a drop-in file", () => {
  const text = "[registries.block]\nregistries = []";

  assertThrows(
    () => parseRegistriesConf(text, { isDropIn: true }),
    RegistriesConfError,
    "a drop-in file must not have the old format",
  );
});

Deno.test("mergeRegistriesConf() lets later files replace tables and aliases", () => {
  const conf = mergeRegistriesConf([
    parseRegistriesConf(`${rule("a.io", "x.io")}${rule("b.io", "x.io")}[aliases]\na = "a.io/a"`),
    parseRegistriesConf(`${rule("a.io", "y.io")}[aliases]\nb = "b.io/b"\na = ""`),
  ]);

  assertEquals(conf.rules.map(({ prefix, location }) => [prefix, location]), [
    ["a.io", "y.io"],
    ["b.io", "x.io"],
  ]);
  assertEquals(resolveAlias(conf, "a"), "a");
  assertEquals(resolveAlias(conf, "b:1"), "b.io/b:1");
});

Deno.test.each([
  { text: "fedora", full: "registry.fedoraproject.org/fedora" },
  { text: "fedora:40", full: "registry.fedoraproject.org/fedora:40" },
  { text: `fedora@${DIGEST}`, full: `registry.fedoraproject.org/fedora@${DIGEST}` },
  { text: `fedora:1@${DIGEST}`, full: `registry.fedoraproject.org/fedora:1@${DIGEST}` },
  { text: "suse/sle15:1", full: "registry.suse.com/suse/sle15:1" },
  { text: "sle15", full: "sle15" },
  { text: "library/fedora", full: "library/fedora" },
  { text: "docker.io/library/fedora", full: "docker.io/library/fedora" },
  { text: "localhost/fedora", full: "localhost/fedora" },
  { text: "fedora:5000/a", full: "fedora:5000/a" },
])("resolveAlias() reads $text", ({ text, full }) => {
  const conf = parseRegistriesConf(`
    [aliases]
    "fedora" = "registry.fedoraproject.org/fedora"
    "suse/sle15" = "registry.suse.com/suse/sle15"
  `);

  assertEquals(resolveAlias(conf, text), full);
});

Deno.test("mergeRegistriesConf() takes the credential helpers of the last file that lists them", () => {
  const read = (text: string, file: string) => parseRegistriesConf(text, { file });
  const files = [
    read('credential-helpers = ["a", "b"]', "1"),
    read('credential-helpers = ["c", "containers-auth.json"]', "2"),
    read("", "3"),
  ];

  assertEquals(mergeRegistriesConf(files).credentialHelpers, {
    names: ["c", "containers-auth.json"],
    file: "2",
  });
  assertThrows(() => read('credential-helpers = "a"', "4"), RegistriesConfError, "not a list");
});
