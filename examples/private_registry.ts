// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Pulls from a registry that requires a password, and reports a wrong one.
 *
 *     REGISTRY_USER=me REGISTRY_PASSWORD=secret deno run -A examples/private_registry.ts \
 *       registry.example/app:v1
 */
import { AuthError, pull } from "@x/oci";

const [reference = "registry.example/app:v1"] = Deno.args;
try {
  const image = await pull(reference, {
    platform: "linux/amd64",
    auth: {
      username: Deno.env.get("REGISTRY_USER") ?? "",
      password: Deno.env.get("REGISTRY_PASSWORD") ?? "",
    },
  });
  console.log(image.digest);
} catch (error) {
  if (!(error instanceof AuthError)) throw error;
  console.log(`refused with status ${error.status}`);
  Deno.exitCode = 1;
}
