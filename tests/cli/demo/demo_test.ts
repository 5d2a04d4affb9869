import { assert, assertEquals, assertMatch } from "@std/assert";
import { runOci } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("oci demo explains each step, and cleans up", async () => {
  await using dir = await makeTempDir();

  const { code, stdout, stderr } = await runOci(["demo"], { env: { TMPDIR: dir.path } });

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assert(!stdout.includes("\x1b"), "plain where there is no terminal");
  assertMatch(stdout, /^1\. Build an image in memory$/m);
  assertMatch(stdout, /lrwxrwxrwx +0:0 +0 +bin +-> usr\/bin/);
  assertMatch(stdout, /usr\/bin\/greet +the same file as usr\/bin\/hello/);
  assertMatch(stdout, /removes usr\/share\/build-notes/);
  assertMatch(stdout, /linux\/amd64: 0 of 3 layers fetched in .*, without a request/);
  assertMatch(stdout, /linux\/arm64: 1 of 3 layers fetched/);
  assertMatch(
    stdout,
    /Try it on a real image:\n\n {2}(?:npx -y deno@\S+|deno) run -A .*mod\.ts'? pull alpine:3\.20\n$/,
  );
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("oci demo --json is one document", async () => {
  const { code, stdout } = await runOci(["demo", "--json"]);

  const { pulls } = JSON.parse(stdout);
  assertEquals(code, 0);
  assertEquals(
    pulls.map((
      { platform, fetched }: { platform: string; fetched: number },
    ) => [platform, fetched]),
    [["linux/amd64", 3], ["linux/amd64", 0], ["linux/arm64", 1]],
  );
  assertEquals(pulls[1].requests, 0);
});
