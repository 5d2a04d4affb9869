import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { denoEnvironment, ROOT, run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { formatSkipped, skippedTests } from "../_support/test_report.ts";

Deno.test("skippedTests() reads what deno test reports", async () => {
  await using temp = await makeTempDir();
  const module = new URL("../_support/skip.ts", import.meta.url);
  await Deno.writeTextFile(
    temp.join("a_test.ts"),
    `import { testUnless } from ${JSON.stringify(module.href)};
    const unless = testUnless('no "x" & <y>; needs root');
    unless("one", () => {});
    unless.each([{ n: 1 }, { n: 2 }])("case $n", () => {});
    unless({ name: "three", fn: () => {} });
    Deno.test("runs (skipped: not)", () => {});
    Deno.test("has steps", async (t) => {
      await t.step({ name: "left out", ignore: true, fn: () => {} });
    });`,
  );
  const report = temp.join("report.xml");
  const args = ["test", "--no-check", "--no-config", `--junit-path=${report}`, "-A", temp.path];
  await run(Deno.execPath(), args, { env: await denoEnvironment() });

  const skipped = skippedTests(await Deno.readTextFile(report));

  const reasons = ['no "x" & <y>', "needs root"];
  const name = (text: string) => `${text} (skipped: no "x" & <y>; needs root)`;
  assertEquals(skipped, [
    { name: name("one"), reasons },
    { name: name("case 1"), reasons },
    { name: name("case 2"), reasons },
    { name: name("three"), reasons },
    { name: "has steps > left out", reasons: [] },
  ]);
});

Deno.test.each([
  { skipped: [], line: "skipped no test" },
  { skipped: [["needs root"]], line: "skipped 1 test: needs root (1)" },
  {
    skipped: [["no umoci", "needs root"], ["needs root"], []],
    line: "skipped 3 tests: needs root (2), no reason given (1), no umoci (1)",
  },
])("formatSkipped() says $line", ({ skipped, line }) => {
  assertEquals(formatSkipped(skipped.map((reasons) => ({ name: "", reasons }))), line);
});

Deno.test("deno task test ends a run in which a test hangs", async () => {
  await using temp = await makeTempDir();
  const path = temp.join("a_test.ts");
  await Deno.writeTextFile(
    path,
    `Deno.test("hangs", () => new Promise(() => setInterval(() => {}, 1000)));`,
  );
  const args = ["run", "-A", "--no-check", join(ROOT, "tests", "run.ts"), path];
  const env = { ...await denoEnvironment(), OCI_TEST_SILENCE_MS: "3000", NO_COLOR: "1" };

  const { code, stderr } = await run(Deno.execPath(), args, { env, cwd: ROOT });

  assertNotEquals(code, 0);
  assertStringIncludes(stderr, "error: no test ended for 0.05 minutes");
});
