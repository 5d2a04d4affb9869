/**
 * Reads a store as an ordinary user and prints its content: STORE REFERENCE.
 *
 * @module
 */
import { ContentStore } from "../../../store/mod.ts";
import { becomeUser } from "../../_support/become_user.ts";

const [path = "", name = ""] = Deno.args;
becomeUser(12345);

const store = await ContentStore.open(path);
const descriptor = await store.resolve(name);
if (descriptor === undefined) throw new Error(`Cannot find "${name}"`);
const isIntact = await store.verify(descriptor);
const written = await store.tag("example.com/c:1", descriptor).then(
  () => "yes",
  ({ name }) => name,
);
const report = JSON.stringify({ uid: Deno.uid(), isIntact, written });
Deno.stdout.writeSync(new TextEncoder().encode(report));
