import { assertEquals, assertThrows } from "@std/assert";
import { storeDirectory, StoreDirectoryError } from "../../cache/mod.ts";
import { storeVariables } from "../../cache/store_directory.ts";
import { ROOT, run } from "../_support/process.ts";
import { linuxTest } from "../_support/skip.ts";

const linux = Deno.build.os === "linux";

linuxTest.each([
  { env: { OCI_STORE: "/a", XDG_DATA_HOME: "/b", HOME: "/c" }, path: "/a" },
  { env: { OCI_STORE: "", XDG_DATA_HOME: "/b", HOME: "/c" }, path: "/b/oci" },
  { env: { XDG_DATA_HOME: "relative", HOME: "/c" }, path: "/c/.local/share/oci" },
  { env: { HOME: "/c" }, path: "/c/.local/share/oci" },
])("storeDirectory() is $path", ({ env, path }) => {
  using _env = environment(env);

  assertEquals(storeDirectory(), path);
});

Deno.test("storeDirectory() reads the environment on each call", () => {
  using _env = environment({ OCI_STORE: "/one" });
  assertEquals(storeDirectory(), "/one");

  Deno.env.set("OCI_STORE", "/two");

  assertEquals(storeDirectory(), "/two");
});

linuxTest("storeDirectory() names the variable that is missing", () => {
  using _env = environment({});

  const error = assertThrows(() => storeDirectory(), StoreDirectoryError, "HOME is not set");

  assertEquals(error.variables, ["OCI_STORE", "XDG_DATA_HOME", "HOME"]);
});

Deno.test("storeDirectory() names the flag that is missing", async () => {
  const module = new URL("../../cache/mod.ts", import.meta.url).href;
  const code = `import { storeDirectory } from "${module}"; storeDirectory();`;

  const { stderr } = await run(Deno.execPath(), ["eval", code], { cwd: ROOT });
  const { stderr: refused } = await run(Deno.execPath(), ["run", "--no-prompt", "-"], {
    cwd: ROOT,
    stdin: code,
  });

  // With every permission, the environment that this test gives has no HOME.
  assertEquals(stderr.includes("is not set") || !linux, true);
  assertEquals(refused.includes(`--allow-env=${storeVariables().join(",")}`), true);
});

/** Sets exactly these of the relevant variables, and restores the old values. */
function environment(values: Readonly<Record<string, string>>): Disposable {
  const names = ["OCI_STORE", "XDG_DATA_HOME", "HOME"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  for (const name of names) set(name, values[name]);
  return { [Symbol.dispose]: () => before.forEach(([name, value]) => set(name, value)) };
}
