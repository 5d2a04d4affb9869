import { assertEquals } from "@std/assert";
import { MemoryTree } from "../../../layer/memory/memory_tree.ts";
import { withMounts, withReadOnlyRoot } from "../../../spec/options/filesystem_options.ts";
import { newSpec } from "../../../spec/options/new_spec.ts";
import { RootFiles } from "../../../store/bundles/_root_files.ts";
import { mountVolumes, type VolumeCopy, withVolumes } from "../../../store/bundles/volumes.ts";

Deno.test.each([
  { mount: "/", hides: true },
  { mount: "/data/", hides: true },
  { mount: "/data/a", hides: true },
  { mount: "/dat", hides: false },
  { mount: "/data/a/b/c", hides: false },
])("mountVolumes() copies /data/a/b if a mount hides it: $mount", ({ mount, hides }) => {
  using tree = new MemoryTree();
  const copies: VolumeCopy[] = [];

  newSpec(
    withReadOnlyRoot(),
    withMounts([{ destination: mount, type: "bind", source: "/srv", options: ["rbind"] }]),
    withVolumes(["/data/a/b"]),
    mountVolumes(new RootFiles(tree), "/bundle", [], copies),
  );

  assertEquals(copies.map(({ from }) => from), hides ? ["data/a/b"] : []);
});
