import { assert, assertEquals } from "@std/assert";
import { openFileOutput } from "../../../store/host/file_output.ts";
import { TemporaryFile } from "../../../store/host/temporary_file.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const PREFIX = ".oci-test-";

function uuidName(): string {
  return `${PREFIX}${crypto.randomUUID()}`;
}

Deno.test("TemporaryFile disappears unless it is renamed", async () => {
  await using temp = await makeTempDir();
  {
    using dropped = await TemporaryFile.create({ directory: temp.path, prefix: PREFIX });
    using kept = await TemporaryFile.create({ directory: temp.path, prefix: PREFIX });
    await dropped.file.write(new Uint8Array(3));
    await kept.file.write(new Uint8Array(5));

    kept.rename(temp.join("kept"));
  }

  assertEquals(await namesIn(temp.path), ["kept"]);
  assertEquals((await Deno.stat(temp.join("kept"))).size, 5);
});

Deno.test("TemporaryFile.removeDead() removes files that no process has open", async () => {
  await using temp = await makeTempDir();
  const dead = [uuidName(), uuidName()];
  for (const name of dead) await Deno.writeTextFile(temp.join(name), "half");
  using other = await TemporaryFile.create({ directory: temp.path, prefix: PREFIX });

  using file = await TemporaryFile.create({ directory: temp.path, prefix: PREFIX });
  await file.removeDead();

  const paths = [other.path, file.path].toSorted();
  assertEquals((await namesIn(temp.path)).map((name) => temp.join(name)), paths);
});

posixTest("TemporaryFile.removeDead() keeps everything else", async () => {
  await using temp = await makeTempDir();
  const names = [
    `${PREFIX}1`,
    `${PREFIX}${crypto.randomUUID()}.tar`,
    `${PREFIX}${crypto.randomUUID()}~`,
    `x${uuidName()}`,
    `.oci-other-${crypto.randomUUID()}`,
  ];
  for (const name of names) await Deno.writeTextFile(temp.join(name), "mine");
  const [directory, link] = [uuidName(), uuidName()];
  await Deno.mkdir(temp.join(directory));
  await Deno.symlink(names[0] ?? "", temp.join(link));

  {
    using file = await TemporaryFile.create({ directory: temp.path, prefix: PREFIX });
    await file.removeDead();
  }

  assertEquals(await namesIn(temp.path), [...names, directory, link].toSorted());
});

Deno.test("openFileOutput() removes the temporary files of killed processes", async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join(uuidName()), "half");
  await Deno.writeTextFile(temp.join("theirs"), "whole");

  await using output = await openFileOutput(temp.join("new"), { prefix: PREFIX });
  assertEquals((await namesIn(temp.path)).length, 2);
  await output.write(new TextEncoder().encode("all"));
  await output.commit();

  assertEquals(await namesIn(temp.path), ["new", "theirs"]);
  assert(await Deno.readTextFile(temp.join("new")) === "all");
});
