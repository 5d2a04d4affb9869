import { assert, assertEquals, assertThrows } from "@std/assert";
import { type FileSlot, FileSlots } from "../../../layer/disk/_file_slots.ts";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { type NativeLibc, openLibc } from "../../../layer/linux/native_libc.ts";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { extractLayer } from "../../../layer/mod.ts";
import { errorCode } from "../../../spec/error_facts.ts";
import { mountTest } from "../../_support/mounting.ts";
import { linuxTest } from "../../_support/skip.ts";
import { dir, file, hardlink, tar, toUint8Array } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const AT_FDCWD = -100;
/** More files than a tree creates before it starts a thread and while that thread starts. */
const MANY_FILES = 9000;

function requireLibc(): NativeLibc {
  const libc = openLibc();
  assert(typeof libc !== "string");
  return libc;
}

function openFile(libc: NativeLibc, path: string, flags: number): number {
  const name = new TextEncoder().encode(`${path}\0`);
  const fd = libc.symbols.openat(AT_FDCWD, name, flags, 0o600);
  assert(fd >= 0);
  return fd;
}

/** Creates slots that count as served by another thread. */
function servedSlots(): FileSlots {
  const slots = new FileSlots();
  // The first word says that a thread serves the slots.
  new Int32Array(slots.memory)[0] = 1;
  return slots;
}

/** Opens a file and puts it into a slot. */
function reserve(slots: FileSlots, libc: NativeLibc, path: string, flags = O_WRONLY): FileSlot {
  const slot = slots.reserve(openFile(libc, path, flags | O_CREAT), path, libc);
  assert(slot !== undefined);
  assert(slot.setContent(toUint8Array("content")));
  slot.setTimes(86_400, 0);
  return slot;
}

linuxTest("FileSlots.reserve() refuses files that no thread would fill", () => {
  using libc = requireLibc();

  assertEquals(new FileSlots().reserve(3, "f", libc), undefined);
});

linuxTest("FileSlots.serve() returns after end(), and reserve() then refuses files", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const path = `${temp.path}/f`;
  const slots = servedSlots();
  const slot = reserve(slots, libc, path);
  slots.commit(slot);

  slots.end();
  slots.serve(libc);

  assertEquals(slots.reserve(3, path, libc), undefined);
  slot.settle(libc);
  assertEquals(await Deno.readTextFile(path), "content");
});

linuxTest("FileSlot.settle() fills a committed file", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const path = `${temp.path}/f`;
  const slots = servedSlots();

  const slot = reserve(slots, libc, path);
  slots.commit(slot);
  slot.settle(libc);

  assertEquals(await Deno.readTextFile(path), "content");
  assertEquals((await Deno.stat(path)).mtime, new Date(86_400_000));
});

linuxTest("FileSlot.setContent() refuses content that is larger than a slot", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const slots = servedSlots();
  const slot = reserve(slots, libc, `${temp.path}/f`);

  assertEquals(slot.setContent(new Uint8Array(16_384)), true);
  assertEquals(slot.setContent(new Uint8Array(16_385)), false);

  slots.commit(slot);
  slot.settle(libc);
});

linuxTest("FileSlot.settle() throws the error of a file that cannot be written", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const slots = servedSlots();
  const slot = reserve(slots, libc, `${temp.path}/f`, O_RDONLY);
  slots.commit(slot);

  slot.serve(libc);
  const error = assertThrows(() => slot.settle(libc), Error, `${temp.path}/f`);

  assertEquals(errorCode(error), "EBADF");
  slot.settle(libc);
});

linuxTest("FileSlots.reserve() throws the error of the previous file in the slot", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const path = `${temp.path}/f`;
  const slots = servedSlots();
  for (const _ of slots.slots) slots.commit(reserve(slots, libc, path, O_RDONLY));

  assertEquals(slots.reserve(-1, path, libc), undefined);
  for (const slot of slots.slots) slot.serve(libc);

  for (const _ of slots.slots) assertThrows(() => slots.reserve(-1, path, libc), Error, path);
});

linuxTest("the worker fills files", async () => {
  using libc = requireLibc();
  await using temp = await makeTempDir();
  const path = `${temp.path}/f`;
  const url = new URL("../../../layer/disk/_fill_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const slots = new FileSlots();
  worker.postMessage(slots.memory);
  try {
    const fd = openFile(libc, path, O_WRONLY | O_CREAT);
    const slot = await until(() => slots.reserve(fd, path, libc));
    slot.setContent(toUint8Array("content"));
    slot.setTimes(86_400, 0);
    slots.commit(slot);
    // This thread does not settle the file, so only the worker can fill it.
    await until(() => Deno.statSync(path).mtime?.getTime() === 86_400_000 || undefined);

    assertEquals(await Deno.readTextFile(path), "content");
  } finally {
    slots.end();
    worker.terminate();
  }
});

/** Waits for something that another thread does. */
async function until<T>(find: () => T | undefined): Promise<T> {
  while (true) {
    const found = find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A layer of small files of every kind. */
function manyFiles(): Uint8Array<ArrayBuffer> {
  const entries = [dir("."), dir("d", { mode: 0o555 })];
  for (let index = 0; index < MANY_FILES; index++) {
    const name = `d/${index}`;
    const mtime = index + 1;
    const kind = index % 12;
    if (kind === 0) entries.push(file(name, "", { mtime }));
    else if (kind === 1) entries.push(file(name, `setuid ${index}`, { mode: 0o4755, mtime }));
    else if (kind === 2) entries.push(file(name, new Uint8Array(20_000).fill(index), { mtime }));
    else if (kind === 3) entries.push(hardlink(name, `d/${index - 3}`));
    else if (kind === 4) entries.push(file(`d/${index - 2}`, `large before ${index}`, { mtime }));
    else if (kind === 5) entries.push(file(name, `read-only ${index}`, { mode: 0o400, mtime }));
    else if (kind === 6) entries.push(file(name, new Uint8Array(3000), { mtime }));
    else if (kind === 8) entries.push(hardlink(name, `d/${index - 1}`));
    else if (kind === 10) entries.push(file(`d/${index - 1}`, `changed ${index}`, { mtime }));
    else entries.push(file(name, `content ${index}`, { mode: 0o600 + index % 0o70, mtime }));
  }
  return tar(...entries);
}

linuxTest("extractLayer() extracts thousands of small files like the pure backend", async () => {
  await using temp = await makeTempDir();
  const archive = manyFiles();

  for (const backend of ["native", "pure"] as const) {
    const stream = new Blob([archive]).stream();
    await extractLayer(stream, `${temp.path}/${backend}`, { backend });
  }

  const options = { wholeMilliseconds: true };
  const native = readTree(`${temp.path}/native`, options);
  const pure = readTree(`${temp.path}/pure`, options);
  assertEquals([...native.keys()], [...pure.keys()]);
  for (const [path, state] of native) assertEquals(state, pure.get(path), path);
  // Every sixth file replaces another one.
  assertEquals(native.size, MANY_FILES * 5 / 6 + 2);
});

linuxTest("NativeTree completes a file before it is read or opened", async () => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path, { backend: "native" });
  const buffer = new Uint8Array(16);
  for (let index = 0; index < MANY_FILES; index++) {
    const path = `f${index}`;
    {
      using created = tree.createFile(path, 0o644);
      created?.write(toUint8Array(path), 0);
      created?.setTimes(index, 0);
    }
    const kind = index % 5;
    if (kind === 0) {
      const { size, mtime } = tree.status(path) ?? {};
      assertEquals([size, mtime], [path.length, index]);
    } else if (kind === 1) {
      using reader = tree.openFile(path);
      assertEquals(reader.read(buffer), path.length);
    } else if (kind === 2) {
      using entry = tree.open(path);
      entry.setTimes(7, 0);
    } else if (kind === 3) {
      tree.makeLink(`l${index}`, path);
      assertEquals(tree.status(`l${index}`)?.size, path.length);
    } else {
      tree.rename(path, `r${index}`);
      assertEquals(tree.status(`r${index}`)?.size, path.length);
    }
  }
  tree.settle();

  for (let index = 2; index < MANY_FILES; index += 5) {
    assertEquals(tree.status(`f${index}`)?.mtime, 7);
  }
});

function openFilesBelow(directory: string): readonly string[] {
  return Deno.readDirSync("/proc/self/fd").toArray().map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      // The descriptor of the listing itself is closed.
      return "";
    }
  }).filter((path) => path.startsWith(directory));
}

mountTest("NativeTree closes files that it cannot create or write", async () => {
  await using temp = await makeTempDir();
  mountTmpfs(temp.path, { sizeBytes: 1_048_576 });
  try {
    const content = new Uint8Array(16_384).fill(1);
    const errors: unknown[] = [];
    {
      using tree = openFileTree(temp.path, { backend: "native" });
      for (let index = 0; index < MANY_FILES + 1000; index++) {
        try {
          using file = tree.createFile(`f${index}`, 0o644);
          if (index >= MANY_FILES) file?.write(content, 0);
          file?.setTimes(1, 0);
        } catch (error) {
          errors.push(error);
        }
      }
      try {
        tree.settle();
      } catch (error) {
        errors.push(error);
      }
    }

    assertEquals(new Set(errors.map(errorCode)), new Set(["ENOSPC"]));
    assertEquals(openFilesBelow(temp.path), []);
  } finally {
    unmountTree(temp.path);
  }
});

mountTest("extractLayer() reports a full file system with thousands of small files", async () => {
  await using temp = await makeTempDir();
  mountTmpfs(temp.path, { sizeBytes: 16_777_216 });
  try {
    const error = await extractLayer(new Blob([manyFiles()]).stream(), `${temp.path}/root`, {
      backend: "native",
    }).then(() => undefined, (error) => error);

    assertEquals(errorCode(error.cause), "ENOSPC");
    assertEquals(await Array.fromAsync(Deno.readDir(temp.path)), []);
  } finally {
    unmountTree(temp.path);
  }
});
