import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { openDecompressor } from "../../layer/mod.ts";
import { concat, noise } from "../_support/bytes.ts";
import { peerTest } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { type ReadEntry, readTar } from "../layer/tar/_read_tar.ts";

/** Formats of other programs, and the names and times that they support. */
const WRITERS: readonly {
  readonly program: string;
  readonly args: readonly string[];
  readonly holds: "short" | "long" | "everything";
}[] = [
  { program: "tar", args: ["--format=v7"], holds: "short" },
  { program: "tar", args: ["--format=ustar"], holds: "short" },
  { program: "tar", args: ["--format=oldgnu"], holds: "long" },
  { program: "tar", args: ["--format=gnu"], holds: "long" },
  { program: "tar", args: ["--format=gnu", "-S"], holds: "long" },
  { program: "tar", args: ["--format=pax"], holds: "everything" },
  { program: "tar", args: ["--format=pax", "-S", "--sparse-version=0.0"], holds: "everything" },
  { program: "tar", args: ["--format=pax", "-S", "--sparse-version=0.1"], holds: "everything" },
  { program: "tar", args: ["--format=pax", "-S", "--sparse-version=1.0"], holds: "everything" },
  { program: "bsdtar", args: ["--format=v7"], holds: "short" },
  { program: "bsdtar", args: ["--format=ustar"], holds: "short" },
  { program: "bsdtar", args: ["--format=gnutar"], holds: "long" },
  { program: "bsdtar", args: ["--format=paxr"], holds: "long" },
  { program: "bsdtar", args: ["--format=pax"], holds: "everything" },
];

const LONG = `${"directory-of-a-name/".repeat(6)}${"file-of-a-name".repeat(10)}`;

for (const { program, args, holds } of WRITERS) {
  const needs = ["sh", program];
  peerTest(
    { name: `TarParser reads what ${program} ${args.join(" ")} writes`, needs },
    async () => {
      await using root = await makeTempDir();
      await makeTree(root.path);
      if (holds !== "short") await makeOddities(root.path);

      const { code, stdoutBytes, stderr } = await run(
        program,
        [...args, "-cf", "-", "-C", root.path, "."],
      );

      assertEquals(code, 0, stderr);
      const entries = readTar(stdoutBytes, { chunkSizes: [65_536, 1, 1000] });
      assertEquals(entries.length, await countTree(root.path));
      for (const entry of entries) await compareWithTree(entry, root.path, holds);
    },
  );
}

/** A tree that every format supports. */
async function makeTree(root: string): Promise<void> {
  await Deno.writeFile(join(root, "plain"), noise(3000));
  await Deno.writeTextFile(join(root, "empty"), "");
  const sparse = await Deno.create(join(root, "sparse"));
  for (let run = 0; run < 40; run++) {
    await sparse.seek(run * 100_000, Deno.SeekMode.Start);
    await sparse.write(noise(5000, run));
  }
  await sparse.truncate(5_000_000);
  sparse.close();
  await Deno.mkdir(join(root, "d"));
  await Deno.symlink("../plain", join(root, "d/s"));
  await Deno.link(join(root, "plain"), join(root, "d/h"));
  await Deno.chmod(join(root, "plain"), 0o4751);
  await Deno.utime(join(root, "plain"), 1, 1_500_000_000.25);
  await Deno.chmod(join(root, "d"), 0o1777);
}

/** Fields that v7 and ustar lack, or that their writers leave out. */
async function makeOddities(root: string): Promise<void> {
  await Deno.mkdir(join(root, LONG, ".."), { recursive: true });
  await Deno.writeFile(join(root, LONG), noise(3000));
  await Deno.utime(join(root, "empty"), 1, -1000);
  // Deno makes neither pipes nor names that are not UTF-8.
  const script = "mkfifo d/p && printf x >\"$(printf 'd/\\351t\\351')\"";
  const { code, stderr } = await run("sh", ["-c", script], { cwd: root });
  assertEquals(code, 0, stderr);
}

async function countTree(path: string): Promise<number> {
  let count = 1;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    count += isDirectory ? await countTree(join(path, name)) : 1;
  }
  return count;
}

async function compareWithTree(
  { header, content }: ReadEntry,
  root: string,
  holds: string,
): Promise<void> {
  const { type, path, mode, uid, gid, mtime, mtimeNs, linkname } = header;
  if (path.includes("\udce9")) {
    assertEquals([path, content], ["./d/\udce9t\udce9", new TextEncoder().encode("x")]);
    return;
  }
  const info = await Deno.lstat(join(root, path));
  assertEquals({ mode, uid, gid }, {
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid,
    gid: info.gid,
  });
  const time = (info.mtime?.getTime() ?? 0) / 1000;
  // The smaller formats have whole seconds, and libarchive writes no times before 1970 in them.
  if (holds === "everything") assert(Math.abs(mtime + mtimeNs / 1e9 - time) < 0.001, path);
  else if (time >= 0) assertEquals(mtime, Math.floor(time), path);
  switch (type) {
    case "file":
      assert(info.isFile);
      assertEquals(content, await Deno.readFile(join(root, path)));
      break;
    case "symlink":
      assertEquals(linkname, await Deno.readLink(join(root, path)));
      break;
    case "hardlink":
      assertEquals(info.ino, (await Deno.lstat(join(root, linkname))).ino);
      break;
    default:
      assertEquals([info.isDirectory, info.isFifo], [type === "directory", type === "fifo"]);
  }
}

const CONTENT = concat(noise(300_000), new Uint8Array(300_000), noise(300_000, 2));

const COMPRESSORS = [
  { program: "gzip", args: ["-c"] },
  { program: "gzip", args: ["-9c", "--rsyncable"] },
  { program: "igzip", args: ["-c"] },
  { program: "zstd", args: ["-c"] },
  { program: "zstd", args: ["-1c", "--no-check"] },
  { program: "zstd", args: ["-19c", "-T2", "-B100000"] },
  { program: "zstd", args: ["-c", "--long=27"] },
  { program: "zstd", args: ["-c", "--no-content-size"] },
  { program: "zstd", args: ["-c", "--format=gzip"] },
  { program: "pzstd", args: ["-c", "-p", "2"] },
];

for (const { program, args } of COMPRESSORS) {
  const name = `openDecompressor() reads what ${program} ${args.join(" ")} writes`;
  peerTest({ name, needs: [program] }, async () => {
    const { code, stdoutBytes, stderr } = await run(program, args, { stdin: CONTENT });
    assertEquals(code, 0, stderr);
    // Concatenated, they are one layer, like the members of eStargz.
    const twice = concat(stdoutBytes, stdoutBytes);
    const parts: Uint8Array[] = [];

    using decompressor = openDecompressor();
    for (let at = 0; at < twice.length; at += 10_000) {
      const chunk = twice.subarray(at, at + 10_000);
      decompressor.push(chunk, (bytes) => void parts.push(bytes.slice()));
    }
    decompressor.finish();

    assertEquals(concat(...parts), concat(CONTENT, CONTENT));
  });
}
