import { Validator } from "@cfworker/json-schema";
import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { formatSpec } from "../../../spec/mod.ts";
import { testUnless } from "../../_support/skip.ts";
import { GENERATED } from "../_generated_specs.ts";

const SCHEMAS = fromFileUrl(
  new URL("../../../../shared/data/runtime-spec-schema", import.meta.url),
);
interface Sample {
  readonly name: string;
  readonly text: string;
}

const BASE = "https://opencontainers.org/schema/runtime/";

/** The schemas refer to each other by file name. */
async function openValidator(): Promise<Validator> {
  const files = (await Array.fromAsync(Deno.readDir(SCHEMAS)))
    .filter(({ name }) => name.endsWith(".json"));
  const schemas = new Map(
    await Promise.all(files.map(async ({ name }) => {
      const schema = JSON.parse(await Deno.readTextFile(join(SCHEMAS, name)));
      return [name, { ...schema, $id: BASE + name }] as const;
    })),
  );
  const main = schemas.get("config-schema.json");
  const validator = new Validator(main ?? false, "4", false);
  schemas.delete("config-schema.json");
  for (const schema of schemas.values()) validator.addSchema(schema);
  return validator;
}

function errorsOf(validator: Validator, text: string): readonly string[] {
  try {
    return validator.validate(JSON.parse(text)).errors
      .map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
  } catch (error) {
    if (error instanceof SyntaxError) return [error.message];
    throw error;
  }
}

async function listSamples(kind: "good" | "bad"): Promise<readonly Sample[]> {
  const folder = join(SCHEMAS, "test/config", kind);
  const files = await Array.fromAsync(Deno.readDir(folder));
  return await Promise.all(
    files.map(async ({ name }) => ({ name, text: await Deno.readTextFile(join(folder, name)) })),
  );
}

async function missingReason(): Promise<string | undefined> {
  try {
    await Deno.stat(SCHEMAS);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return "the schemas of the runtime specification are not beside this checkout";
    }
    throw error;
  }
}

const schemaTest = testUnless(await missingReason());

schemaTest("newSpec() creates configurations that the official schema accepts", async (t) => {
  const validator = await openValidator();

  for (const [name, spec] of Object.entries(GENERATED)) {
    await t.step(name, () => assertEquals(errorsOf(validator, formatSpec(spec)), []));
  }
});

schemaTest("the official schema refuses only invalid configurations", async () => {
  const validator = await openValidator();
  const [bad, good] = await Promise.all([listSamples("bad"), listSamples("good")]);

  const accepted = bad.filter(({ text }) => errorsOf(validator, text).length === 0);
  const refused = good.filter(({ text }) => errorsOf(validator, text).length > 0);

  assertEquals([accepted.map(({ name }) => name), refused.map(({ name }) => name)], [[], []]);
  assertEquals([bad.length > 3, good.length > 3], [true, true]);
});

schemaTest("the official schema finds a mistake in each part", async () => {
  const validator = await openValidator();
  const spec = GENERATED["with everything"];
  const mistakes = [
    { ...spec, ociVersion: undefined },
    { ...spec, root: {} },
    { ...spec, mounts: [{}] },
    { ...spec, process: { ...spec?.process, cwd: undefined } },
    { ...spec, process: { ...spec?.process, user: { uid: -1, gid: 0 } } },
    { ...spec, process: { ...spec?.process, rlimits: [{ type: "NOFILE", soft: 1, hard: 1 }] } },
    { ...spec, linux: { ...spec?.linux, namespaces: [{ type: "net" }] } },
    { ...spec, linux: { ...spec?.linux, uidMappings: [{ hostID: 1 }] } },
    { ...spec, linux: { ...spec?.linux, resources: { cpu: { quota: "1" } } } },
    { ...spec, linux: { ...spec?.linux, seccomp: { defaultAction: "ALLOW" } } },
  ];

  const accepted = mistakes.filter((value) =>
    errorsOf(validator, JSON.stringify(value)).length === 0
  );

  assertEquals(accepted, []);
});
