/**
 * A worker thread that stands for a process: it has its own modules, and its own locks, because an
 * flock belongs to an open file. It starts a task as soon as the message arrives.
 *
 * @module
 */
import { pull, unpack } from "../../cache/mod.ts";
import { hostPlatform, RemoteClient } from "../../registry/mod.ts";
import { type Descriptor, digestOf, OCI_MANIFEST, OciError } from "../../spec/mod.ts";
import { ContentStore, openBundler, prune, readImage } from "../../store/mod.ts";

/** Task of a racer. */
export type Task =
  | { readonly do: "tag"; readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly do: "pull"; readonly name: string }
  | { readonly do: "unpack"; readonly name: string; readonly out: string }
  | { readonly do: "rm"; readonly name: string }
  | { readonly do: "prune" }
  | {
    readonly do: "bundle";
    readonly name: string;
    readonly out: string;
    readonly kind: "overlay" | "uncompressed";
  };

/** A task and its store. */
export interface Order {
  readonly store: string;
  readonly task: Task;
}

/** Result of a task: the name and the text of its error, if it failed. */
export type Outcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly name: string; readonly message: string };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(outcome: Outcome): void;
};

scope.onmessage = async ({ data: { store, task } }) => {
  try {
    await perform(store, task);
    scope.postMessage({ ok: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const name = error instanceof OciError ? error.name : `${error.name} (unexpected)`;
    scope.postMessage({ ok: false, name, message: error.stack ?? error.message });
  }
};

async function perform(path: string, task: Task): Promise<void> {
  using client = new RemoteClient({ credentials: "none" });
  switch (task.do) {
    case "pull":
      return void await pull(task.name, { store: path, client });
    case "unpack":
      return void await unpack(task.name, task.out, { store: path, client, pullPolicy: "Never" });
    case "rm":
      return void await (await ContentStore.open(path)).untag([task.name]);
    case "prune":
      return void await prune(await ContentStore.open(path), { olderThanMs: 0 });
    case "tag": {
      const store = await ContentStore.open(path);
      const { bytes, name } = task;
      const descriptor: Descriptor = {
        mediaType: OCI_MANIFEST,
        digest: digestOf(bytes),
        size: bytes.length,
      };
      await store.putBytes(descriptor, bytes);
      return void await store.tag(name, descriptor);
    }
    case "bundle": {
      const store = await ContentStore.open(path);
      const descriptor = await store.resolve(task.name);
      const image = descriptor && await readImage(store, descriptor.digest, hostPlatform());
      if (image === undefined) throw new OciError(`Cannot bundle "${task.name}": not there`);
      const bundler = await openBundler(store, { kind: task.kind });
      return void await bundler.bundleIn(task.out, image);
    }
  }
}
