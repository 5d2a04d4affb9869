/**
 * Uses an image in a store that cannot be written to and prints what it found: STORE REFERENCE.
 *
 * @module
 */
import { pull, unpack } from "../../../mod.ts";
import { ContentStore, prune } from "../../../store/mod.ts";
import { makeTempDir } from "../../_support/temp.ts";

const [store = "", reference = ""] = Deno.args;
const options = { store, pullPolicy: "Never", platform: "linux/amd64" } as const;
await using temp = await makeTempDir();

const image = await pull(reference, options);
const text = await (await image.files()).readText("etc/motd");
await unpack(reference, temp.join("root"), options);
await unpack(reference, temp.join("part"), { ...options, paths: ["etc"] });
const { removed } = await prune(await ContentStore.open(store), { dryRun: true });
const report = JSON.stringify([
  text,
  await Deno.readTextFile(temp.join("root/etc/motd")),
  await Deno.readTextFile(temp.join("part/etc/motd")),
  removed.map(({ kind, bytes }) => `${kind} ${bytes}`),
]);
Deno.stdout.writeSync(new TextEncoder().encode(report));
