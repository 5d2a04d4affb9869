/** Records 50 references in a store: `_tag_child.ts STORE PREFIX`. */
import { ContentStore } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";

const [path = "", prefix = ""] = Deno.args;
const store = await ContentStore.open(path);
const { descriptor, bytes } = randomBlob(1);
await store.putBytes(descriptor, bytes);
for (let i = 0; i < 50; i++) await store.tag(`${prefix}:${i}`, descriptor);
