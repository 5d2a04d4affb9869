import { assert, assertEquals } from "@std/assert";
import { buildImage } from "../../../_support/image.ts";
import { assertGranted, permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { writableRegistry } from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

const runOci = ociSession();

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });

Deno.test("oci permissions suffices for the commands that move images", async () => {
  await using source = writableRegistry();
  await using target = writableRegistry();
  await using dir = await makeTempDir();
  await pushBuilt(source, "app:1", IMAGE);
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const app = `${source.host}/app:1`;
  await Deno.mkdir(dir.join("out"));
  const archive = dir.join("out", "app.tar");
  const layout = dir.join("layout");

  await assertGranted(runOci, [
    ["copy", app, `${target.host}/app:1`],
    ["copy", "--store", dir.join("kept"), app, `${target.host}/kept:1`],
    ["copy", "--with-referrers", app, `oci:${layout}:v1`],
    ["copy", `oci:${layout}:v1`, `oci-archive:${archive}:v1`],
    ["copy", `oci-archive:${archive}:v1`, `${target.host}/back:1`],
    ["copy", "--all-tags", `${source.host}/app`, `${target.host}/all`],
    ["pull", "--platform", "linux/amd64", app],
    ["push", app],
    ["push", app, `${target.host}/pushed:1`],
    ["push", app, `oci:${dir.join("pushed")}:v1`],
    ["tag", app, "2"],
    ["delete", "--yes", `${source.host}/app:2`],
    ["catalog", source.host],
  ], { env });

  const tags = await target.content.tags("pushed");
  assertEquals([await target.content.repositories(), tags], [
    ["all", "app", "back", "kept", "pushed"],
    ["1"],
  ]);
});

Deno.test("oci permissions grants a push only what it needs", async () => {
  const env = { HOME: "/home/me", OCI_STORE: "/store" };

  const flags = await permissionsFor(runOci, ["push", "alpine:3", "ghcr.io/owner/app:1"], { env });

  assert(flags[0]?.startsWith("--allow-net=ghcr.io"), flags[0]);
  // The hold that keeps the image from pruning is a file in the store.
  const writes = flags.filter((flag) => flag.startsWith("--allow-write"));
  assertEquals(writes, ["--allow-write=/store"]);
});
