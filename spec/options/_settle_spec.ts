import { fitUserNamespace } from "./_user_namespace.ts";
import { DEFAULT_PATH, defaultEnv } from "./environment.ts";
import { OciError } from "../errors.ts";
import { defaultSeccompProfile } from "./seccomp_profile.ts";
import type { ContainerSpec, SpecDraft } from "../runtime/spec_option.ts";
import { resolveUser } from "./user.ts";

/** Completes a draft with the values that depend on several options. */
export function settleSpec(draft: SpecDraft): ContainerSpec {
  const { pending, ...spec } = [settleUser, settleEnv, settleSeccomp].reduce(
    (spec, settle) => settle(spec),
    draft,
  );
  // An empty string is not a command, and the errors of runtimes are misleading.
  if (!spec.process.args?.[0]) {
    throw new OciError("it names no command", {
      code: "no-command",
      action: `make a configuration for ${pending.image}`,
      subject: pending.image,
      advice: "Name the command to run",
      option: "args",
    });
  }
  return fitUserNamespace(spec, pending.image);
}

/** Looks up the user, and sets `HOME` to the user's home directory. */
function settleUser(spec: SpecDraft): SpecDraft {
  const { user: wanted, passwd, group, image, dropsGroups = false } = spec.pending;
  if (wanted === undefined) return withDefaultEnv(spec, { HOME: "/" });
  const { additionalGids } = wanted;
  const found = resolveUser(wanted.text, passwd, group, { image, additionalGids });
  const { uid, gid, home } = found;
  const gids = dropsGroups ? [] : found.additionalGids;
  const user = { ...spec.process.user, uid, gid };
  const process = {
    ...spec.process,
    user: gids.length === 0 ? user : { ...user, additionalGids: gids },
  };
  return withDefaultEnv({ ...spec, process }, { HOME: home });
}

function settleEnv(spec: SpecDraft): SpecDraft {
  const defaults = { PATH: DEFAULT_PATH };
  return withDefaultEnv(spec, spec.process.terminal ? { ...defaults, TERM: "xterm" } : defaults);
}

function withDefaultEnv(spec: SpecDraft, defaults: Readonly<Record<string, string>>): SpecDraft {
  const env = defaultEnv(spec.process.env ?? [], defaults);
  return { ...spec, process: { ...spec.process, env } };
}

/** Creates the default seccomp profile for the capabilities. */
function settleSeccomp(spec: SpecDraft): SpecDraft {
  const { seccompArchitecture } = spec.pending;
  if (seccompArchitecture === undefined) return spec;
  const capabilities = spec.process.capabilities?.bounding ?? [];
  const seccomp = defaultSeccompProfile(seccompArchitecture, capabilities);
  return { ...spec, linux: { ...spec.linux, seccomp } };
}
