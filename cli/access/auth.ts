import type { ImagePullAuth } from "../../registry/image_client.ts";
import { UsageError } from "../frame/errors.ts";
import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";

const READ = new WeakMap<Session, Promise<ImagePullAuth | undefined>>();

/**
 * Reads the credential of the command line, if any. Reads it only once per command, because the
 * password may come from stdin or a prompt.
 *
 * @param registry Registry for which to prompt for a missing user name.
 * @throws {UsageError} If the options contradict each other.
 */
export function readAuth(
  session: Session,
  registry?: string,
): Promise<ImagePullAuth | undefined> {
  return READ.getOrInsertComputed(session, () => read(session, registry));
}

async function read(
  session: Session,
  registry: string | undefined,
): Promise<ImagePullAuth | undefined> {
  const options = session.options<RegistryOptions>();
  const { passwordStdin, identityToken, registryToken } = options;
  let { user } = options;
  const ways = [user, identityToken, registryToken].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new UsageError(
      "only one way to log in is allowed",
      'Choose "--user", "--identity-token" or "--registry-token"',
    );
  }
  if (passwordStdin && user === undefined) {
    throw new UsageError("the user name is missing", 'Add "--user NAME"');
  }
  if (identityToken !== undefined) return { identityToken };
  if (registryToken !== undefined) return { registryToken };
  if (user === undefined) {
    if (registry === undefined) return undefined;
    const { promptUser } = await import("./password.ts");
    user = await promptUser(registry, session.notices, { signal: session.signal });
  }
  const colon = user.indexOf(":");
  const username = colon < 0 ? user : user.slice(0, colon);
  if (username === "") {
    throw new UsageError("the user name is empty", 'Specify "--user NAME[:PASSWORD]"');
  }
  if (colon >= 0 && passwordStdin) {
    throw new UsageError(
      "there are two passwords",
      'Leave out the one in "--user" or "--password-stdin"',
    );
  }
  if (colon >= 0) return { username, password: user.slice(colon + 1) };
  const { promptPassword, readPassword } = await import("./password.ts");
  const password = passwordStdin
    ? await readPassword(session.signal)
    : await promptPassword(username, session.notices, { signal: session.signal });
  return { username, password };
}
