import { assertEquals, assertMatch } from "@std/assert";
import { basicAuthentication, serveRegistry } from "../../../../registry/mod.ts";
import { MemoryContent } from "../../../_support/image.ts";
import { permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { linuxTest } from "../../../_support/skip.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

/** A helper that keeps credentials in files beside it. */
const HELPER = `#!/bin/sh
dir=$(dirname "$0")
case "$1" in
  store) cat > "$dir/secret" ;;
  get) cat "$dir/secret" 2>/dev/null || { echo credentials not found; exit 1; } ;;
  erase) rm -f "$dir/secret" ;;
  list) [ -f "$dir/secret" ] && echo '{"server":"ann"}' || echo '{}' ;;
esac
`;

linuxTest("oci uses the credential helpers in registries.conf", async () => {
  await using home = await makeTempDir();
  const authenticate = basicAuthentication((name, password) => name === "ann" && password === "pw");
  await using registry = await serveRegistry(new MemoryContent(), { authenticate });
  const { host } = registry;
  await Deno.writeTextFile(home.join("docker-credential-kept"), HELPER, { mode: 0o755 });
  const conf = home.join("registries.conf");
  const docker = home.join(".docker/config.json");
  const env = {
    HOME: home.path,
    OCI_STORE: home.join("store"),
    CONTAINERS_REGISTRIES_CONF: conf,
    PATH: `${home.path}:${Deno.env.get("PATH")}`,
  };
  const list = (...names: readonly string[]) => {
    return Deno.writeTextFile(conf, `credential-helpers = ${JSON.stringify(names)}\n`);
  };
  const oci = async (...args: readonly string[]) => {
    const permissions = await permissionsFor(runOci, args, { env });
    return await runOci(args, { env, permissions });
  };
  const login = ["login", "--user", "ann:pw", host];

  await list("missing", "kept");
  const stored = await oci(...login);
  const found = await oci("login", "--get", host);
  const catalog = await oci("catalog", host);
  const doctor = await runOci(["doctor"], { env });
  const partly = await oci("logout", host);
  const none = await oci("catalog", host);
  await list("kept");
  await oci(...login);
  const erased = await oci("logout", host);
  await list("containers-auth.json", "kept");
  const inFile = await oci(...login);
  await list("kept");
  const excluded = await oci("login", "--get", host);
  const named = await oci("login", "--get", "--authfile", docker, host);
  const last = await oci("logout", "--all");

  const helper = "docker-credential-kept";
  assertEquals(stored.stderr, `oci: stored the credential with ${helper}, named in ${conf}\n`);
  assertEquals(found.stdout, "ann\n", found.stderr);
  assertEquals(catalog.code, 0, catalog.stderr);
  const listing = doctor.stdout.replace(/\s+/g, " ");
  assertMatch(listing, /registries\.conf names docker-credential-missing .* not installed/);
  assertMatch(listing, /registries\.conf names docker-credential-kept .* installed as/);
  assertMatch(listing, /credential files are not used/);
  assertMatch(partly.stderr, /"docker-credential-missing" is not installed/);
  assertEquals([partly.code, none.code], [1, 1]);
  assertEquals(erased.stderr, `oci: erased the credential in ${helper}\n`);
  assertEquals(inFile.stderr, `oci: stored the credential in ${docker}\n`);
  assertEquals(excluded.code, 1);
  assertEquals(named.stdout, "ann\n");
  assertEquals(last.stderr, `oci: erased all credentials in ${docker}\n`);
});
