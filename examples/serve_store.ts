// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Serves a store to a program under test: pulled images need no network.
 *
 *     deno run -A examples/serve_store.ts alpine:3.20
 */
import { formatReference, pull, storeDirectory } from "@x/oci";
import { ContentStore, serveStore } from "@x/oci/store";

const { reference, digest } = await pull(Deno.args[0] ?? "alpine:3.20", {
  platform: "linux/amd64",
});
const store = await ContentStore.open(storeDirectory());
await using registry = await serveStore(store, { readOnly: true });
const { repositories } = await (await fetch(`${registry.url}/v2/_catalog`)).json();
console.log(formatReference(reference), digest);
console.log(repositories.join("\n"));
