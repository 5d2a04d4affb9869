/**
 * Commands that make, remove and run bundles.
 *
 * @module
 */
import { ContentStore, openBundler } from "../../store/mod.ts";
import { programPath } from "../../tests/_support/peers.ts";
import { GREETING } from "../images.ts";
import { mountReason } from "../mount_namespace.ts";
import { Broken, namesIn } from "../scene.ts";
import { checkTree } from "../store_checks.ts";
import { storedImage } from "../stored.ts";
import { storeImage } from "./image_cases.ts";
import type { KillCase } from "./kill_case.ts";

type Kind = "overlay" | "uncompressed";

const KINDS: readonly Kind[] = ["overlay", "uncompressed"];
const RUNTIMES: readonly string[] = ["crun", "runc"].filter((name) => programPath(name));

function reasonFor(kind: Kind): string | undefined {
  return kind === "overlay" ? mountReason() : undefined;
}

function runReason(kind: Kind): string | undefined {
  return mountReason() ?? reasonFor(kind) ??
    (RUNTIMES.length > 0 ? undefined : "needs crun or runc");
}

/** Cases of commands about bundles, for each kind of bundle. */
export const BUNDLE_CASES: readonly KillCase[] = KINDS.flatMap((kind) => [
  {
    command: `bundle ${kind}`,
    reason: reasonFor(kind),
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const box = scene.path("box");
      return {
        args: ["bundle", "--json", "--bundler", kind, name, box],
        // The killed command may have completed the bundle, which is not replaced then.
        codes: [0, 1],
        checkInterrupted: () => checkGone(box),
        check: async () => {
          await checkTree(`${box}/rootfs`, number);
          JSON.parse(await Deno.readTextFile(`${box}/config.json`));
          await scene.oci(["unbundle", "--json", box]);
          await checkGone(box);
        },
      };
    },
  },
  {
    command: `unbundle ${kind}`,
    reason: reasonFor(kind),
    prepare: async (place) => {
      const { scene } = place;
      const [, name] = await storeImage(place);
      const bundler = await openBundler(await ContentStore.open(scene.store), { kind });
      await bundler.bundleIn(scene.path("box"), await storedImage(scene.store, name));
      return {
        args: ["unbundle", "--json", scene.path("box")],
        codes: [0, 1],
        check: () => checkGone(scene.path("box")),
      };
    },
  },
  {
    command: `run ${kind}`,
    reason: runReason(kind),
    prepare: async (place) => {
      const [, name] = await storeImage(place);
      const runtime = place.scene.random.pick(RUNTIMES);
      return {
        args: ["run", "--bundler", kind, "--runtime", runtime, name],
        check: ({ stdout }) => {
          if (stdout !== GREETING) throw new Broken(`the container wrote ${stdout}`);
          return Promise.resolve();
        },
      };
    },
  },
]);

/** Checks that nothing is left of a bundle. */
async function checkGone(directory: string): Promise<void> {
  const names = await namesIn(directory);
  if (names.length > 0) throw new Broken(`${names} left of the bundle`);
}
