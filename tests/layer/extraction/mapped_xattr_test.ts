import { assertEquals } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { idsInXattr, mapXattr } from "../../../layer/extraction/mapped_xattr.ts";
import type { OwnershipMap } from "../../../layer/extraction/ownership.ts";
import { extractLayer } from "../../../layer/mod.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const MAP: OwnershipMap = {
  kind: "map",
  uids: [{ containerId: 0, hostId: 100_000, size: 1000 }],
  gids: [{ containerId: 0, hostId: 200_000, size: 1000 }],
};

function bytesOf(...words: readonly number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(words).buffer);
}

/** File capabilities: effective, with `CAP_NET_RAW`. */
const NET_RAW = [0x2000, 0, 0, 0];
const OF_HOST = bytesOf(0x02000001, ...NET_RAW);
const OF_NAMESPACE = bytesOf(0x03000001, ...NET_RAW, 100_000);

Deno.test("mapXattr() restricts file capabilities to the root of the user namespace", () => {
  const nested = bytesOf(0x03000001, ...NET_RAW, 7);
  const outside = bytesOf(0x03000001, ...NET_RAW, 5000);

  assertEquals(mapXattr("security.capability", OF_HOST, MAP), OF_NAMESPACE);
  assertEquals(
    mapXattr("security.capability", nested, MAP),
    bytesOf(0x03000001, ...NET_RAW, 100_007),
  );
  assertEquals(mapXattr("security.capability", outside, MAP), undefined);
});

Deno.test("mapXattr() maps the IDs in access control lists", () => {
  const acl = (user: number, group: number) =>
    bytesOf(
      2,
      ...[0x0007_0001, 0xffffffff],
      ...[0x0007_0002, user],
      ...[0x0005_0004, 0xffffffff],
      ...[0x0005_0008, group],
      ...[0x0007_0010, 0xffffffff],
      ...[0x0005_0020, 0xffffffff],
    );

  for (const name of ["system.posix_acl_access", "system.posix_acl_default"]) {
    assertEquals(mapXattr(name, acl(12, 34), MAP), acl(100_012, 200_034));
    assertEquals(mapXattr(name, acl(1000, 34), MAP), undefined);
  }
});

Deno.test("idsInXattr() returns the IDs that mapXattr() maps", () => {
  const acl = bytesOf(2, ...[0x0007_0001, 0xffffffff], ...[0x0007_0002, 12], ...[0x0005_0008, 34]);

  assertEquals(idsInXattr("system.posix_acl_default", acl), [
    { kind: "user", id: 12 },
    { kind: "group", id: 34 },
  ]);
  assertEquals(idsInXattr("security.capability", OF_HOST), [{ kind: "user", id: 0 }]);
  assertEquals(idsInXattr("security.capability", OF_NAMESPACE), [{ kind: "user", id: 100_000 }]);
  assertEquals(idsInXattr("security.capability", new Uint8Array(24)), []);
  assertEquals(idsInXattr("user.x", acl), []);
});

Deno.test("mapXattr() leaves other attributes and damaged ones alone", () => {
  for (const name of ["user.x", "security.capability", "system.posix_acl_access"]) {
    const value = new Uint8Array([1, 2, 3]);

    assertEquals(mapXattr(name, value, MAP), value);
  }
});

rootTest("extractLayer() maps file capabilities with the owners", async () => {
  await using directory = await makeTempDir({ large: true });
  const xattrs = { "security.capability": OF_HOST };
  const layer = tar(
    file("ping", "x", { xattrs, mode: 0o755 }),
    file("all", "x", { xattrs: { "security.capability": bytesOf(0x03000001, ...NET_RAW, 5000) } }),
  );

  const { skipped } = await extractLayer(ReadableStream.from([layer]), directory.path, {
    ownership: MAP,
  });

  using tree = openFileTree(directory.path);
  using ping = tree.open("ping");
  assertEquals(ping.getXattr("security.capability"), OF_NAMESPACE);
  assertEquals(tree.status("ping")?.uid, 100_000);
  assertEquals(skipped.map(({ path }) => path), ["all"]);
});
