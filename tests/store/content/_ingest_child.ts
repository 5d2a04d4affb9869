/**
 * Downloads a blob into a store and prints the number of its bytes:
 * `_ingest_child.ts STORE URL DIGEST SIZE`. At the end, it prints `done`, the number of existing
 * bytes and the status.
 */
import { type Digest, isDigest } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";

const [path = "", url = "", digest, size] = Deno.args;
if (!isDigest(digest)) throw new TypeError(`Cannot download ${digest}`);
const store = await ContentStore.open(path);
const descriptor = {
  mediaType: "application/octet-stream",
  digest: digest satisfies Digest,
  size: Number(size),
};
const encoder = new TextEncoder();
const print = (text: string) => Deno.stdout.writeSync(encoder.encode(`${text}\n`));
const { resumed, status } = await store.ingest(descriptor, async ({ offset = 0 }) => {
  const { body } = await fetch(url, { headers: { range: `bytes=${offset}-` } });
  return body ?? new ReadableStream();
}, { onProgress: ({ bytes }) => print(`${bytes}`) });
print(`done ${resumed} ${status}`);
