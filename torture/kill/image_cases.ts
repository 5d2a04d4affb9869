/**
 * Commands that bring images into the store, or files out of it.
 *
 * @module
 */
import { save } from "../../cache/mod.ts";
import { ContentStore } from "../../store/mod.ts";
import { rotBlob } from "../../tests/_support/rot.ts";
import { IMAGES } from "../images.ts";
import { mountReason } from "../mount_namespace.ts";
import { Broken, namesIn } from "../scene.ts";
import { checkImage, checkTree } from "../store_checks.ts";
import { checkSource, pullInto, storedImage } from "../stored.ts";
import type { KillCase, KillScene } from "./kill_case.ts";

const FORMATS = ["oci-archive", "docker-archive", "oci-dir"] as const;

/** Cases of commands that fill, empty and repair the store. */
export const IMAGE_CASES: readonly KillCase[] = [
  {
    command: "pull",
    prepare: (place) => {
      const [number, name] = chooseImage(place);
      return Promise.resolve({
        args: ["pull", "--json", name],
        check: () => checkImage(place.scene.store, name, number),
      });
    },
  },
  {
    command: "pull --unpack",
    reason: mountReason(),
    prepare: (place) => {
      const [number, name] = chooseImage(place);
      return Promise.resolve({
        args: ["pull", "--json", "--unpack", name],
        check: () => checkImage(place.scene.store, name, number),
      });
    },
  },
  {
    command: "save",
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const format = scene.random.pick(FORMATS);
      await Deno.mkdir(scene.path("saved"));
      const output = scene.path("saved", "image");
      const source = `${format === "oci-dir" ? "oci" : format}:${output}`;
      const check = async () => {
        const left = (await namesIn(scene.path("saved"))).filter((name) => name !== "image");
        if (left.length > 0) throw new Broken(`left beside the archive: ${left}`);
        await checkSource(scene, source, number);
      };
      return {
        args: ["save", "--json", "--format", format, "-o", output, name],
        // A layout keeps copied blobs for the next attempt.
        checkInterrupted: format === "oci-dir"
          ? undefined
          : () => checkNothingOr(check, scene.path("saved")),
        check,
      };
    },
  },
  {
    command: "export",
    prepare: async (place) => {
      const { scene } = place;
      const [, name] = await storeImage(place);
      await Deno.mkdir(scene.path("exported"));
      const output = scene.path("exported", "a.tar");
      const check = async () => {
        const left = await namesIn(scene.path("exported"));
        if (left.join() !== "a.tar") throw new Broken(`left beside the archive: ${left}`);
        await scene.oci(["export", "-o", scene.path("b.tar"), name]);
        const files = [output, scene.path("b.tar")].map((path) => Deno.readFile(path));
        const [killed = new Uint8Array(), whole = new Uint8Array()] = await Promise.all(files);
        if (killed.length !== whole.length || killed.some((byte, i) => byte !== whole[i])) {
          throw new Broken("the exported archive is not the same");
        }
      };
      return {
        args: ["export", "--json", "-o", output, name],
        checkInterrupted: () => checkNothingOr(check, scene.path("exported")),
        check,
      };
    },
  },
  {
    command: "load",
    prepare: async ({ scene, reference }) => {
      // Of an index, only the pulled platform would be saved, so choose images without one.
      const number = scene.random.pick([0, 2]);
      const name = reference(number);
      const [other, archive] = [scene.path("other"), scene.path("image.tar")];
      await pullInto(other, name);
      await save(name, archive, { store: other });
      const isStdin = scene.random.chance(0.3);
      return {
        args: ["load", "--json", isStdin ? "-" : archive],
        stdin: isStdin ? await Deno.readFile(archive) : undefined,
        check: () => checkImage(scene.store, name, number),
      };
    },
  },
  {
    command: "prune",
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const [, unwanted] = await storeImage(place, (number + 1) % IMAGES.length);
      await (await ContentStore.open(scene.store)).untag([unwanted]);
      return {
        args: ["prune", "--json"],
        check: () => checkImage(scene.store, name, number),
      };
    },
  },
  {
    command: "fsck --repair",
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const { layers } = await storedImage(scene.store, name);
      const store = await ContentStore.open(scene.store);
      for (const { descriptor } of scene.random.sample(layers, 2)) {
        await rotBlob(store, descriptor.digest, scene.random.below(descriptor.size));
      }
      return {
        args: ["fsck", "--repair", "--json"],
        check: async () => {
          await checkImage(scene.store, name, number);
          await Deno.remove(`${scene.store}/quarantine`, { recursive: true }).catch(() => {});
        },
      };
    },
  },
  ...["rm", "rm --prune"].map((command): KillCase => ({
    command,
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const [, unwanted] = await storeImage(place, (number + 1) % IMAGES.length);
      return {
        args: [...command.split(" "), "--json", unwanted],
        codes: [0, 1],
        check: async () => {
          await checkImage(scene.store, name, number);
          const store = await ContentStore.open(scene.store);
          if (await store.resolve(unwanted) !== undefined) throw new Broken(`${unwanted} stayed`);
        },
      };
    },
  })),
  ...[true, false].map((isStored): KillCase => ({
    command: isStored ? "unpack" : "unpack (pulling)",
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = isStored ? await storeImage(place) : chooseImage(place);
      const out = scene.path("out");
      return {
        args: ["unpack", "--json", name, out],
        // The killed command may have completed the directory, which is not replaced then.
        codes: [0, 1],
        checkInterrupted: () => checkNothingOr(() => checkTree(out, number), out),
        check: () => checkTree(out, number),
      };
    },
  })),
];

/** Chooses an image. */
function chooseImage({ scene, reference }: KillScene): readonly [number: number, name: string] {
  const number = scene.random.below(IMAGES.length);
  return [number, reference(number)];
}

/** Chooses an image, and pulls it. */
export async function storeImage(
  { scene, reference }: KillScene,
  number: number = scene.random.below(IMAGES.length),
): Promise<readonly [number: number, name: string]> {
  await pullInto(scene.store, reference(number));
  return [number, reference(number)];
}

/** Checks that a directory is empty, absent or, because a signal may come late, complete. */
async function checkNothingOr(check: () => Promise<void>, directory: string): Promise<void> {
  if ((await namesIn(directory)).length > 0) await check();
}
