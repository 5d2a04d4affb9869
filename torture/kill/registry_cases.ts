/**
 * Commands that write to a registry.
 *
 * @module
 */
import { OCI_LAYER } from "../../spec/mod.ts";
import { basicAuth, on } from "../../tests/_support/faulty_registry.ts";
import { noise } from "../../tests/_support/tar.ts";
import { writableRegistry } from "../../tests/_support/writable_registry.ts";
import { IMAGES } from "../images.ts";
import { Broken } from "../scene.ts";
import { checkSource } from "../stored.ts";
import { storeImage } from "./image_cases.ts";
import type { KillCase } from "./kill_case.ts";

/** Cases of commands that write to a registry, or keep a credential for one. */
export const REGISTRY_CASES: readonly KillCase[] = [
  {
    command: "push",
    prepare: async (place) => {
      const { scene } = place;
      const [number, name] = await storeImage(place);
      const target = scene.own(writableRegistry());
      const pushed = `${target.host}/pushed:1`;
      return {
        args: ["push", "--json", name, pushed],
        check: () => checkSource(scene, pushed, number),
      };
    },
  },
  {
    command: "copy",
    prepare: ({ scene, reference }) => {
      const number = scene.random.below(IMAGES.length);
      const target = scene.own(writableRegistry());
      const copied = `${target.host}/copied:1`;
      return Promise.resolve({
        args: ["copy", "--json", reference(number), copied],
        check: () => checkSource(scene, copied, number),
      });
    },
  },
  {
    command: "artifact",
    prepare: async ({ scene }) => {
      const target = scene.own(writableRegistry());
      const [name, out] = [`${target.host}/artifact:1`, scene.path("pulled")];
      const bytes = noise(600_000, scene.random.below(1000));
      await Deno.writeFile(scene.path("model"), bytes);
      const push = ["artifact", "push", "--json", name, `${scene.path("model")}:${OCI_LAYER}`];
      const isPull = scene.random.chance(0.5);
      if (isPull) await scene.oci(push);
      const pull = ["artifact", "pull", "--json", name, out];
      return {
        args: isPull ? pull : push,
        check: async () => {
          if (!isPull) await scene.oci(pull);
          const pulled = await Deno.readFile(`${out}/model`);
          if (pulled.toBase64() !== bytes.toBase64()) throw new Broken("the file is wrong");
        },
      };
    },
  },
  {
    command: "login",
    prepare: async ({ scene, registry }) => {
      registry.add(on({}, basicAuth({ ci: "secret" })));
      const authfile = scene.path("auth.json");
      await Deno.writeTextFile(authfile, '{"auths":{"a.example":{"auth":"YTpi"}}}');
      return {
        args: ["login", "--json", "--authfile", authfile, "--user", "ci", "--password-stdin"]
          .concat(registry.host),
        stdin: new TextEncoder().encode("secret\n"),
        check: async () => {
          const { auths } = JSON.parse(await Deno.readTextFile(authfile));
          const hosts = Object.keys(auths).sort().join();
          if (hosts !== [registry.host, "a.example"].sort().join()) throw new Broken(hosts);
        },
      };
    },
  },
];
