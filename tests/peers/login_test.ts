import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ociSession } from "../_support/oci_session.ts";
import { dockerRegistry, peerTest, runPeer } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { installForUser } from "../_support/user_install.ts";

const runOci = ociSession();

const AUTH = { username: "ann", password: "p:w d" };

/** Writes an image without layers as an OCI layout, and pushes it with the credential given. */
async function pushEmpty(dir: string, host: string): Promise<void> {
  await runPeer("umoci", ["init", "--layout", `${dir}/layout`]);
  await runPeer("umoci", ["new", "--image", `${dir}/layout:v1`]);
  await runPeer("skopeo", [
    ...["copy", "--insecure-policy", "--dest-tls-verify=false"],
    ...["--dest-creds", `${AUTH.username}:${AUTH.password}`],
    ...[`oci:${dir}/layout:v1`, `docker://${host}/app:v1`],
  ]);
}

peerTest({
  name: "oci login writes what skopeo and podman log in with, and reads what podman wrote",
  needs: ["docker-registry", "htpasswd", "skopeo", "umoci", "podman"],
  root: true,
}, async () => {
  await using home = await makeTempDir();
  await using registry = await dockerRegistry({ auth: AUTH });
  const { host } = registry;
  await pushEmpty(home.path, host);
  const env = { HOME: home.path, XDG_RUNTIME_DIR: home.join("run") };
  await Deno.mkdir(home.join("run/containers"), { recursive: true });
  // Podman and skopeo search this file first.
  await Deno.writeTextFile(
    home.join("run/containers/auth.json"),
    JSON.stringify({ auths: { [host]: { auth: btoa("ann:old") } } }),
  );
  const inspect = (variables: Record<string, string> = {}) => {
    const url = `docker://${host}/app:v1`;
    return runPeer("skopeo", ["inspect", "--raw", "--tls-verify=false", url], {
      env: { ...env, ...variables },
    });
  };
  const podman = (...args: string[]) => {
    const storage = ["--root", home.join("root"), "--runroot", home.join("runroot")];
    return runPeer("podman", [...storage, "--storage-driver=vfs", ...args], { env });
  };
  const login = async (...args: string[]) => {
    const { code, stderr } = await runOci(
      ["login", "--user", AUTH.username, "--password-stdin", ...args, host],
      { env, stdin: AUTH.password },
    );
    assertEquals(code, 0, stderr);
  };

  await assertRejects(() => inspect(), Error, "authentication required");
  await login();
  await inspect();
  await podman("pull", "--tls-verify=false", `${host}/app:v1`);
  const { code } = await runOci(["logout", host], { env });
  await assertRejects(() => inspect(), Error, "authentication required");
  await login("--authfile", home.join("auth.json"));
  await inspect({ REGISTRY_AUTH_FILE: home.join("auth.json") });
  await assertRejects(() => inspect(), Error, "authentication required");
  await podman("login", "--tls-verify=false", "-u", AUTH.username, "-p", AUTH.password, host);
  const get = await runOci(["login", "--get", host], { env });
  const out = await runOci(["logout", "--all"], { env });
  await assertRejects(() => podman("login", "--get-login", host), Error, "not logged into");

  assertEquals([code, get.stdout, out.code], [0, "ann\n", 0]);
});

peerTest({
  name: "oci runs credential helpers and unshare from a directory that is closed to the user",
  needs: ["setpriv", "cp", "unshare"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  const { deno, checkout, env } = await installForUser(temp.path, 65_534);
  const helper = temp.join("docker-credential-fake");
  const credential = JSON.stringify({ ServerURL: "a.io", Username: "ann", Secret: "s" });
  await Deno.writeTextFile(helper, `#!/bin/sh\ncat >/dev/null\necho '${credential}'\n`);
  await Deno.chmod(helper, 0o755);
  const config = JSON.stringify({ credHelpers: { "a.io": "fake" } });
  await Deno.writeTextFile(temp.join("config.json"), config);
  await Deno.chmod(temp.join("config.json"), 0o644);
  const cwd = temp.join("closed");
  await Deno.mkdir(cwd, { mode: 0o700 });
  const asUser = (...args: string[]) =>
    run("setpriv", [
      ...["--reuid=65534", "--regid=65534", "--clear-groups"],
      ...[...deno, join(checkout, "mod.ts"), ...args],
    ], {
      cwd,
      env: {
        ...env,
        DOCKER_CONFIG: temp.path,
        HOME: temp.path,
        PATH: `${temp.path}:${Deno.env.get("PATH")}`,
      },
    });

  const login = await asUser("login", "--get", "a.io");
  const doctor = await asUser("doctor", "--store", temp.join("store"));

  assertEquals([login.code, login.stdout.trim()], [0, "ann"], login.stderr);
  assertEquals(doctor.stderr, "");
});
