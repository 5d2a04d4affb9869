/**
 * Changes the user of this process, in all threads, with functions of the C library. Load all
 * modules first.
 */
export function becomeUser(uid: number): void {
  const library = Deno.dlopen("libc.so.6", {
    setgroups: { parameters: ["usize", "buffer"], result: "i32" },
    setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  });
  // Never closed: the process ends with it.
  const { setgroups, setresgid, setresuid } = library.symbols;
  if (setgroups(0n, null) + setresgid(uid, uid, uid) + setresuid(uid, uid, uid) !== 0) {
    throw new Error(`Cannot become user ${uid}`);
  }
}
