import {
  hasRegistriesConf,
  readRegistriesConf,
} from "../../registry/configuration/registries_files.ts";
import type { ReadRegistriesConf } from "../../registry/configuration/registries_files.ts";
import type { DefaultCredentialHelpers } from "../../registry/registry_rule.ts";
import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { setAliases } from "./references.ts";

const READ = new WeakMap<Session, Promise<ReadRegistriesConf>>();

/**
 * Reads the `registries.conf` files, only once per session. Never prompts for a permission.
 *
 * @throws {RegistriesConfError} If a file is damaged.
 */
export function readRegistries(session: Session): Promise<ReadRegistriesConf> {
  return READ.getOrInsertComputed(session, () => readRegistriesConf({ onWarning: session.warn }));
}

/** Returns the credential helpers in the `registries.conf` files; none with `--authfile`. */
export async function defaultHelpers(
  session: Session,
): Promise<DefaultCredentialHelpers | undefined> {
  if (session.options<RegistryOptions>().authfile !== undefined) return undefined;
  return (await readRegistries(session)).credentialHelpers;
}

/** Resolves short names by the aliases in the `registries.conf` files, if there are any. */
export async function useAliases(session: Session): Promise<void> {
  setAliases((text) => text);
  if (!hasRegistriesConf()) return;
  try {
    const conf = await readRegistries(session);
    if (conf.aliases.size === 0) return;
    const { resolveAlias } = await import("../../registry/configuration/registry_rules.ts");
    setAliases((text) => resolveAlias(conf, text));
  } catch (error) {
    // The error matters only to a command that parses a short name.
    setAliases(() => {
      throw error;
    });
  }
}
