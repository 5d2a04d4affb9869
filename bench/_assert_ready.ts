import { programPath } from "../tests/_support/peers.ts";

/** Debian packages of programs that have another name. */
const PACKAGES: Readonly<Record<string, string>> = { bsdtar: "libarchive-tools", igzip: "isal" };

/** Fails unless the user is root and the programs are installed. */
export function assertReady(programs: Iterable<string>): void {
  if (Deno.uid() !== 0) {
    throw new Error("Cannot measure as an ordinary user: owners and mounts need root");
  }
  const missing = [...new Set(programs)].filter((program) => programPath(program) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((program) => PACKAGES[program] ?? program);
  throw new Error(
    `Cannot measure without ${missing.join(", ")}: apt-get install ${packages.join(" ")}`,
  );
}
