import { findProgram } from "../../store/host/find_program.ts";

/** Returns how an ordinary user gets more IDs for containers, in lower case. */
export function idsAdvice(): string {
  const uid = Deno.uid();
  if (uid === 0) return 'create this namespace with more IDs, as "podman unshare" does';
  const line = `"${uid}:100000:65536"`;
  if (["newuidmap", "newgidmap"].some((tool) => findProgram(tool) === undefined)) {
    return "install newuidmap and newgidmap from the package uidmap or shadow-utils, which need " +
      `a line for this user in /etc/subuid and /etc/subgid, such as ${line}`;
  }
  return `ask an administrator to add a line to /etc/subuid and /etc/subgid, such as ${line}`;
}
