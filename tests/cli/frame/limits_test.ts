import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Command } from "../../../cli/frame/command.ts";
import {
  addLimitOption,
  ARCHIVE_LIMITS,
  limitRemedy,
  limitsOf,
} from "../../../cli/frame/limits.ts";
import { serveRegistry } from "../../../registry/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { ociSession } from "../../_support/oci_session.ts";
import { rootTest } from "../../_support/skip.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const runOci = ociSession();

const MIB = 1024 * 1024;

/** Parses the option as a command does. */
function parse(text: string): readonly (readonly [string, number])[] {
  const option = addLimitOption(new Command("unpack")).find("--limit");
  const value = option?.parse?.(text);
  return value === undefined ? [] : [value as readonly [string, number]];
}

Deno.test.each([
  { text: "maxRatio=1100", name: "maxRatio", value: 1100 },
  { text: "maxBytes=50Gi", name: "maxBytes", value: 50 * 1024 * MIB },
  { text: "maxBytes=0", name: "maxBytes", value: 0 },
  { text: "maxEntries=5M", name: "maxEntries", value: 5_000_000 },
  { text: "maxXattrBytes=1.5Ki", name: "maxXattrBytes", value: 1536 },
])("addLimitOption() reads $text", ({ text, name, value }) => {
  assertEquals(limitsOf({ limit: parse(text) }), { [name]: value });
});

Deno.test.each([
  { text: "", error: "it must be NAME=VALUE" },
  { text: "maxRatio", error: "it must be NAME=VALUE" },
  { text: "maxRatio=", error: "the value must be a number" },
  { text: "maxRatio=-1", error: "the value must be a number" },
  { text: "maxRatio=x", error: "the value must be a number" },
  { text: "maxRatio=1=2", error: "the value must be a number" },
  { text: "maxBytes=9999999999Gi", error: "the value is too large" },
])("addLimitOption() refuses $text", ({ text, error }) => {
  assertThrows(() => parse(text), SyntaxError, error);
});

Deno.test("addLimitOption() lists the names for one that it does not know", () => {
  assertThrows(() => parse("maxLayers=5"), SyntaxError, "maxRatio, maxBytes, maxEntries");
});

Deno.test.each([
  { option: "maxRatio", max: 1000, value: 1001, says: "--limit maxRatio=1100" },
  { option: "maxRatio", max: 1000, value: 20_481, says: "--limit maxRatio=41000" },
  { option: "maxRatio", max: 41_000, value: 41_001, says: "--limit maxRatio=83000" },
  // Reading stopped at the limit.
  { option: "maxEntries", max: 2_000_000, value: 2_000_001, says: "--limit maxEntries=4000000" },
  { option: "maxBytes", max: 20 * 1024 * MIB, value: 20 * 1024 * MIB + 1, says: "maxBytes=40Gi" },
  // The size is known.
  { option: "maxWindow", max: 128 * MIB, value: 256 * MIB, says: "--limit maxWindow=256Mi" },
  { option: "maxNameBytes", max: 255, value: 300, says: "--limit maxNameBytes=300" },
  { option: "maxPathBytes", max: 4096, value: 5000, says: "--limit maxPathBytes=5Ki" },
  { option: "maxLayers", max: 256, value: 257, says: "in a program of your own" },
])("limitRemedy() says $says for $option", ({ option, max, value, says }) => {
  const error = new LimitError("things", max, value, "a layer", option);

  const unpack = addLimitOption(new Command("unpack"));
  const load = addLimitOption(new Command("load"), ARCHIVE_LIMITS);
  assertStringIncludes(limitRemedy(error, unpack), says);
  assertStringIncludes(limitRemedy(error, new Command("inspect")), "in a program of your own");
  assertEquals(
    limitRemedy(error, load).includes("--limit"),
    ARCHIVE_LIMITS.some((n) => n === option),
  );
});

/** A layer of zeros, which gzip compresses more than 1000 times. */
const ZEROS = buildImage({
  layers: [tar(file("zeros", new Uint8Array(80 * MIB)), file("a", "x"))],
  platform: "linux/amd64",
  config: { Cmd: ["/a"] },
});

const RAISED = "--limit=maxRatio=1100";

interface Row {
  readonly args: readonly string[];
  /** Output of the command with a raised limit. */
  readonly prints: string;
}

const ROWS: readonly Row[] = [
  { args: ["ls", "REF"], prints: "a\nzeros\n" },
  { args: ["cat", "REF", "a"], prints: "x" },
  { args: ["export", "REF", "-o", "DIR/out.tar"], prints: "" },
  { args: ["unpack", "REF", "DIR/root"], prints: "DIGEST\n" },
  { args: ["bundle", "--bundler=uncompressed", "REF", "DIR/box"], prints: "DIR/box\n" },
];

/** A registry with the image, and a directory for results and stores. */
async function openScene() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await serveRegistry(new MemoryContent().add("zeros", "1", ZEROS)));
  const dir = stack.use(await makeTempDir());
  const owned = stack.move();
  const reference = `${server.host}/zeros:1`;
  return {
    reference,
    path: dir.path,
    /** Runs a command line in which `REF` and `DIR` stand for the image and the directory. */
    oci: (args: readonly string[], ...more: readonly string[]) => {
      const words = args.map((word) => word.replace("REF", reference).replace("DIR", dir.path));
      return runOci([...words, `--store=${dir.path}/store`, "-q", ...more]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const PLATFORM = "--platform=linux/amd64";

Deno.test.each(ROWS)(
  "oci $args refuses a layer of zeros, and names the option",
  async ({ args }) => {
    await using scene = await openScene();

    const { code, stderr } = await scene.oci(args, PLATFORM);

    assertEquals(code, 1);
    assertStringIncludes(stderr, "raise the limit with --limit maxRatio=1100");
  },
);

Deno.test.each(ROWS)(
  "oci $args accepts a layer of zeros with --limit",
  async ({ args, prints }) => {
    await using scene = await openScene();

    const { code, stdout, stderr } = await scene.oci(args, PLATFORM, RAISED);

    assertEquals(code, 0, stderr);
    const text = prints.replace("DIGEST", ZEROS.descriptor.digest);
    assertEquals(stdout.endsWith(text.replace("DIR", "")), true, stdout);
  },
);

rootTest("oci pull --unpack and oci bundle extract a layer of zeros with --limit", async () => {
  await using scene = await openScene();
  const { oci, path, reference } = scene;

  const refused = await oci(["pull", "--unpack", "REF"], PLATFORM);
  const accepted = await oci(["pull", "--unpack", "REF"], PLATFORM, RAISED);
  const inOther = (...args: readonly string[]) => runOci([...args, `--store=${path}/other`, "-q"]);
  const box = `${path}/box`;
  const bundled = await inOther("bundle", "--bundler=overlay", reference, box, RAISED);
  const removed = await inOther("unbundle", box);

  const results = [refused, accepted, bundled, removed];
  assertEquals(results.map(({ code }) => code), [1, 0, 0, 0], JSON.stringify(results));
  assertStringIncludes(refused.stderr, "--limit maxRatio=1100");
});
