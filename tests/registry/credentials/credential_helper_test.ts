import { assert, assertEquals } from "@std/assert";
import { runCredentialHelper } from "../../../registry/credentials/_credential_helper.ts";
import { runOci } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

const U = { auth: btoa("u:p") };

const FOUND = { username: "u", password: "p" };

/** Looks up a credential in a process with its own `PATH` and permissions. */
async function find(options: {
  config: unknown;
  helpers?: Record<string, string>;
  flags?: string[];
  host?: string;
  helperTimeoutMs?: number | undefined;
}): Promise<{ auth: unknown; warnings: string[]; skipped: string[] }> {
  const { config, helpers = {}, flags = ["-A"], host = "h.io" } = options;
  // Even a working helper may take long to start on a busy machine.
  const { helperTimeoutMs = 60_000 } = options;
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join(".docker"));
  await Deno.writeTextFile(dir.join(".docker", "config.json"), JSON.stringify(config));
  for (const [name, script] of Object.entries(helpers)) {
    const path = dir.join(`docker-credential-${name}`);
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const module = new URL("../../../registry/mod.ts", import.meta.url).href;
  const code = `
    import { CredentialFiles } from ${JSON.stringify(module)};
    const warnings = [], skipped = [];
    const found = await new CredentialFiles({ helperTimeoutMs: ${helperTimeoutMs} }).find(
      { registry: ${JSON.stringify(host)}, repository: "a/b" },
      { onWarning: (message) => warnings.push(message), onSkipped: (message) => skipped.push(message) },
    );
    console.log(JSON.stringify({ auth: found?.auth ?? null, warnings, skipped }));
  `;
  const script = dir.join("find.ts");
  await Deno.writeTextFile(script, code);
  const { stdout } = await runOci([], {
    module: script,
    permissions: flags,
    env: { PATH: `${dir.path}:/usr/bin:/bin`, HOME: dir.path },
  });
  return JSON.parse(stdout);
}

Deno.test("CredentialFiles.find() prefers the helper of the host to the default helper", async () => {
  const helpers = {
    one: `read server; echo "{\\"Username\\":\\"one\\",\\"Secret\\":\\"$server\\"}"`,
    two: `read server; echo "{\\"Username\\":\\"two\\",\\"Secret\\":\\"$server\\"}"`,
  };
  const config = { credHelpers: { "h.io": "one" }, credsStore: "two", auths: { "x.io": U } };

  assertEquals((await find({ config, helpers })).auth, { username: "one", password: "h.io" });
  assertEquals((await find({ config, helpers, host: "x.io" })).auth, FOUND);
  assertEquals((await find({ config, helpers, host: "docker.io" })).auth, {
    username: "two",
    password: "https://index.docker.io/v1/",
  });
});

Deno.test("CredentialFiles.find() runs no helper for a host whose helper has an empty name", async () => {
  const helpers = { two: `echo '{"Username":"two","Secret":"s"}'` };
  const config = { credHelpers: { "h.io": "" }, credsStore: "two" };

  assertEquals((await find({ config, helpers })).auth, null);
  assertEquals((await find({ config, helpers, host: "x.io" })).auth, {
    username: "two",
    password: "s",
  });
});

Deno.test("CredentialFiles.find() reads the secret of the user <token> as an identity token", async () => {
  const helpers = { h: `echo '{"Username":"<token>","Secret":"id"}'` };

  const { auth } = await find({ config: { credsStore: "h" }, helpers });

  assertEquals(auth, { identityToken: "id" });
});

Deno.test.each<{ why: string; script: string | undefined; warning: RegExp | undefined }>([
  { why: "is missing", script: undefined, warning: /it is not installed/ },
  { why: "hangs", script: "sleep 30", warning: /did not answer within 0.3 s/ },
  { why: "hangs with a child", script: "sleep 30 & sleep 30", warning: /did not answer within/ },
  { why: "fails", script: "echo secret-noise; exit 3", warning: /it failed/ },
  { why: "talks nonsense", script: "echo hello", warning: /its output is invalid/ },
  { why: "lists nothing", script: "echo '[]'", warning: /its output is invalid/ },
  {
    why: "gives a number",
    script: `echo '{"Username":"u","Secret":7}'`,
    warning: /its output is invalid/,
  },
  { why: "answers with an empty object", script: "echo '{}'", warning: undefined },
  {
    why: "answers with an empty credential",
    script: `echo '{"ServerURL":"h.io","Username":"","Secret":""}'`,
    warning: undefined,
  },
  {
    why: "has no credential",
    script: "echo 'credentials not found in native keychain'; exit 1",
    warning: undefined,
  },
])("CredentialFiles.find() ignores a helper that $why", async ({ script, warning }) => {
  const helpers = script === undefined ? {} : { h: script };
  const helperTimeoutMs = script?.startsWith("sleep") ? 300 : undefined;

  const { auth, warnings } = await find({
    config: { credsStore: "h" },
    helpers,
    helperTimeoutMs,
  });

  assertEquals(auth, null);
  assertEquals(warnings.length, warning === undefined ? 0 : 1);
  if (warning !== undefined) assert(warning.test(warnings[0] ?? ""), warnings[0]);
  assert(!warnings.join().includes("secret-noise"));
});

Deno.test("CredentialFiles.find() reports missing permissions", async () => {
  const config = { credsStore: "h" };
  const helpers = { h: "exit 0" };

  const noRun = await find({ config, helpers, flags: ["--allow-env", "--allow-read"] });
  const noRead = await find({ config, helpers, flags: ["--allow-env"] });
  const nothing = await find({ config, helpers, flags: [] });

  assert(noRun.skipped[0]?.includes("--allow-run=docker-credential-h"), noRun.skipped[0]);
  assert(noRead.skipped[0]?.includes("--allow-read="), noRead.skipped[0]);
  assert(nothing.skipped[0]?.includes("--allow-env=REGISTRY_AUTH_FILE,"), nothing.skipped[0]);
  assertEquals([nothing.auth, nothing.warnings, nothing.skipped.length], [null, [], 1]);
});

Deno.test("runCredentialHelper() refuses names that are paths", async () => {
  const warnings: string[] = [];

  const auth = await runCredentialHelper("../evil", "h.io", {
    timeoutMs: 1000,
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(auth, undefined);
  assertEquals(warnings.length, 1);
});
